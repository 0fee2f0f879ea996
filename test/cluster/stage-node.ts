/** One Node of a stage, with the agent that runs as if it were on it. */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NodeState } from '../../agent/core/node-state.ts';
import type { ApiAdmin } from '../contract/cluster/api-admin.ts';
import type { NodeChange } from '../contract/cluster/subject.ts';
import { makeFolder } from '../harness/folder.ts';
import { type CommandResult, type RunningAgent, startAgent, stevedore, until } from '../integration/running-agent.ts';
import { ownTaint } from './policy-node.ts';
import type { Stage, StageRuntime } from './stage.ts';
import { namespace } from './test-cluster.ts';

/** `until` with more patience: a machine that is busy with other things must not make a failure of a scenario. */
export function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  return until(what, look, 60_000);
}

export interface StageNode {
  readonly name: string;
  readonly admin: ApiAdmin;
  readonly stateDir: string;
  /** Beside the command's own. */
  readonly options: readonly string[];
  startAgent(): Promise<RunningAgent>;
  command(...args: readonly string[]): Promise<CommandResult>;
  /** Another token for the agent, in the file that it was told to read. */
  renewToken(): Promise<void>;
  /** Of the label of an image set. */
  label(imageSet: string): Promise<string | undefined>;
  condition(): Promise<NodeState['conditions'][number] | undefined>;
  /** `Type Reason note` of each. */
  events(): Promise<readonly string[]>;
  untilLabel(imageSet: string, value: string | undefined): Promise<void>;
  /** The first Event with this type and reason; its note. */
  untilEvent(kind: `${'Normal' | 'Warning'} ${string}`): Promise<string>;
}

export interface StageNodeOptions extends NodeChange {
  /** Only its name. */
  readonly isAbsent?: boolean;
  /** Whose the token is; default its own. */
  readonly tokenOf?: string;
  readonly runtime?: StageRuntime;
}

/** Made for this test; it goes with it, and so do its agents. */
export async function makeNode(stage: Stage, settings: StageNodeOptions = {}): Promise<StageNode> {
  const { cluster } = stage;
  const { isAbsent = false, tokenOf, runtime = stage.runtime, ...change } = settings;
  const { name, admin } = stage.operator();
  const folder = await makeFolder('stv-k');
  const agents: RunningAgent[] = [];
  onTestFinished(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await cluster.revokeTokens(name);
    await admin.deleteNode();
    await admin.close();
    await folder.remove();
  });
  if (!isAbsent) await admin.createNode(change);

  const [kubeconfig, tokenFile] = [join(folder.path, 'kubeconfig'), join(folder.path, 'token')];
  const stateDir = join(folder.path, 'state');
  const renewToken = async (): Promise<void> => {
    await writeFile(`${tokenFile}.new`, await cluster.issueToken(tokenOf ?? name));
    await rename(`${tokenFile}.new`, tokenFile);
  };
  await renewToken();
  await writeFile(kubeconfig, cluster.kubeconfig({ tokenFile }));
  await mkdir(stateDir);
  const toCluster = ['--node-name', name, '--kubeconfig', kubeconfig, '--namespace', namespace];
  const onNode = ['--runtime', runtime.kind, '--endpoint', runtime.endpoint, '--state-dir', stateDir];
  const options = [...toCluster, '--gate-taint', ownTaint, ...onNode];

  const label: StageNode['label'] = async (imageSet) =>
    (await admin.node())?.labels[`image-set.stevedore.dev/${imageSet}`];
  const events = async (): Promise<readonly string[]> =>
    (await admin.events()).map(({ type, reason, note }) => `${type} ${reason} ${note}`);
  return {
    name,
    admin,
    stateDir,
    options,
    async startAgent() {
      const agent = await startAgent(options);
      agents.push(agent);
      return agent;
    },
    command: (...args) => stevedore([...args, ...options]),
    renewToken,
    label,
    condition: async () => (await admin.node())?.conditions.find(({ type }) => type === 'ImageSetsReady'),
    events,
    untilLabel: async (imageSet, value) =>
      void (await eventually(`label ${imageSet}: ${value}`, async () => (await label(imageSet)) === value)),
    async untilEvent(kind) {
      const event = await eventually(kind, async () => (await events()).find((text) => text.startsWith(`${kind} `)));
      return event.slice(kind.length + 1);
    },
  };
}

/** A line of the agent's log with this message and these fields. */
export function findSaid(
  { log }: RunningAgent,
  message: string | RegExp,
  fields: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> | undefined {
  return log.find((line) => {
    const said = String(line['message']);
    const isMeant = typeof message === 'string' ? said === message : message.test(said);
    return isMeant && Object.entries(fields).every(([key, value]) => line[key] === value);
  });
}

export async function untilSaid(
  agent: RunningAgent,
  message: string | RegExp,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  return await eventually(`${String(message)} in the log`, () => findSaid(agent, message, fields));
}

export async function untilHeld(runtime: StageRuntime, reference: string): Promise<void> {
  await eventually(`the image ${reference}`, async () => (await runtime.held()).includes(reference));
}

export async function untilMetric(agent: RunningAgent, name: string, value: number): Promise<void> {
  await eventually(`${name} ${value}`, async () => (await agent.metric(name)) === value);
}
