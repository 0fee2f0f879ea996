/** Prune runs one after the other while the agent and another client pull from a slow registry: nothing that is pulled is broken, nothing desired is lost. */

import { join } from 'node:path';
import { type Dice, makeDice } from '../churn/dice.ts';
import { buildLayer } from '../harness/images.ts';
import { type RunningAgent, startAgent, until } from '../integration/running-agent.ts';
import { pruneAll } from './control.ts';
import { findBroken, lookAt } from './node-look.ts';
import { type Kind, type SoakImage, type SoakNode, startSoakNode, toSoakConfig } from './soak-node.ts';

export interface PullRunOptions {
  readonly kind: Kind;
  /** Changes of what is desired. */
  readonly rounds: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
  readonly logPath?: string | undefined;
}

export interface PullRunReport {
  readonly wrong: readonly string[];
  readonly pulls: number;
  readonly pruneRuns: number;
  readonly removed: number;
  /** Pulls of the other client. */
  readonly otherPulls: number;
}

interface Scene {
  readonly node: SoakNode;
  readonly agent: RunningAgent;
  readonly dice: Dice;
  /** Desired all the time. */
  readonly always: readonly SoakImage[];
  /** Desired now and then. */
  readonly changing: readonly SoakImage[];
  /** The other client's. */
  readonly others: readonly SoakImage[];
  readonly wrong: string[];
}

export async function runPulls({
  kind,
  rounds,
  seed,
  say = () => undefined,
  logPath,
}: PullRunOptions): Promise<PullRunReport> {
  const node = await startSoakNode(kind);
  let agent: RunningAgent | undefined;
  const ended = new AbortController();
  try {
    const base = buildLayer({ seed: 'pull base', sizeBytes: 2e6 });
    const push = (key: string, megabytes: number): Promise<SoakImage> =>
      node.push(key, [base, buildLayer({ seed: `pull ${key}`, sizeBytes: megabytes * 1e6, files: 30 })]);
    const always = [await push('always-0', 2), await push('always-1', 5)];
    const changing = [await push('changing-0', 1), await push('changing-1', 2), await push('changing-2', 4)];
    const others = [await push('other-0', 1), await push('other-1', 2), await push('other-2', 3)];
    node.registry.faults.bytesPerSecond = 8e6;
    await node.files.setConfig(toSoakConfig(node, [], 'enabled: true'));
    agent = await startAgent(node.options, logPath ?? join(node.folder.path, 'agent.log'));
    const { url } = agent;
    await until('the agent is ready', async () => (await fetch(`${url}/readyz`)).ok, 30_000);
    const scene: Scene = { node, agent, dice: makeDice(seed), always, changing, others, wrong: [] };

    const pruning = pruneOnAndOn(scene, ended.signal);
    const pulling = pullOnAndOn(scene, ended.signal);
    for (let round = 0; round < rounds; round += 1) {
      const desired = [...always, ...scene.dice.some(changing)];
      const found = await desire(scene, desired);
      scene.wrong.push(...found.map((what) => `round ${round}: ${what}`));
      say(
        `round ${round}, ${desired.map(({ key }) => key).join(' ')}: ${found.length === 0 ? 'well' : found.join('; ')}`,
      );
    }
    ended.abort();
    const [pruneRuns, otherPulls] = await Promise.all([pruning, pulling]);
    scene.wrong.push(...(await findBroken(node, await lookAt(node), [...always, ...changing, ...others])));
    scene.wrong.push(...judgeLog(scene));
    const pulls = (await agent.metric('image_pulls_total')) ?? 0;
    const removed = agent.log.filter(({ message }) => message === 'image removed').length;
    return { wrong: scene.wrong, pulls, pruneRuns, removed, otherPulls };
  } finally {
    ended.abort();
    await agent?.stop();
    await node.remove();
  }
}

/** @returns what is not as it should be once all of them are there */
async function desire({ node, agent }: Scene, desired: readonly SoakImage[]): Promise<string[]> {
  await node.files.setConfig(
    toSoakConfig(
      node,
      desired.map(({ tag }) => tag),
      'enabled: true',
    ),
  );
  const there = async (): Promise<boolean> => {
    const look = await lookAt(node);
    return desired.every((image) => look.namesOf(image).includes(image.tag) && look.missingOf(image).length === 0);
  };
  await until('what is desired', there, 90_000);
  const wrong = await findBroken(node, await lookAt(node), desired);
  const lost = await agent.metric('prefetched_images_lost_total');
  return lost === 0 ? wrong : [...wrong, `${lost} desired images were lost`];
}

async function pruneOnAndOn({ node, wrong }: Scene, signal: AbortSignal): Promise<number> {
  let runs = 0;
  while (!signal.aborted) {
    await pruneAll(node.files.stateDir, () => undefined, AbortSignal.timeout(60_000)).catch((error: unknown) =>
      wrong.push(`prune run ${runs}: ${String(error)}`),
    );
    runs += 1;
  }
  return runs;
}

async function pullOnAndOn({ node, others, wrong }: Scene, signal: AbortSignal): Promise<number> {
  let pulls = 0;
  while (!signal.aborted) {
    const image = others[pulls % others.length];
    if (image === undefined) break;
    await node.pull(image.tag).catch((error: unknown) => wrong.push(`the other client's pull: ${String(error)}`));
    pulls += 1;
  }
  return pulls;
}

function judgeLog({ agent, always }: Scene): string[] {
  const kept = new Set(always.map(({ built }) => built.configDigest));
  return agent.log.flatMap((entry) => {
    const { message, imageId } = entry;
    if (message === 'image removed' && kept.has(String(imageId))) return [`removed: ${JSON.stringify(entry)}`];
    return message === 'image not removed' || message === 'pull failed' || message === 'look failed'
      ? [JSON.stringify(entry)]
      : [];
  });
}
