/** Pruning by Stevedore: a run that a running agent is asked for on its control socket, and the command without an agent. */

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connectControl } from '../../agent/control/control-client.ts';
import type { PruneRoundEvent } from '../../agent/core/prune-round.ts';
import { makeFolder } from '../harness/folder.ts';
import { type AgentFiles, bundle, makeAgentFiles, readImageFlags, startAgent } from './agent.ts';
import { agentVariants, type Claim, type PruneVariant } from './prune-variants.ts';
import type { BenchRuntime } from './runtime.ts';

/** Its first looks are over by then. */
const settleMs = 2_000;
const exec = promisify(execFile);

/** Whatever no container uses may go, and nothing goes by itself while the bench runs. */
export const pruneConfiguration = JSON.stringify({
  imageSets: [],
  prune: {
    schedule: '0 0 1 1 *',
    unusedFor: '0s',
    minimumAge: '0s',
    spaceGrace: '0s',
    watermarks: { low: '98%', high: '99%', critical: '99.9%' },
  },
});

export function createAgentVariants(runtime: BenchRuntime): readonly PruneVariant[] {
  const [byAgent, byCommand] = agentVariants;
  return [
    { name: byAgent, prepare: (signal) => prepareAgent(runtime, signal) },
    { name: byCommand, prepare: (signal) => prepareCommand(runtime, signal) },
  ];
}

async function prepareAgent(runtime: BenchRuntime, signal: AbortSignal) {
  const { files, remove } = await makeFiles(runtime);
  try {
    const agent = await startAgent(files, await readImageFlags(), signal);
    const control = await connectControl(files.stateDir, signal);
    if (control === undefined) throw new Error('the agent does not answer on its control socket');
    await sleep(settleMs, undefined, { signal });
    const events: PruneRoundEvent[] = [];
    return {
      pid: agent.pid,
      run: async () => {
        await control.pruneRound(
          { dryRun: false, tier: undefined, untilFreeBytes: undefined },
          (event) => void events.push(event),
          signal,
        );
      },
      claims: async () => toClaims(events),
      close: async () => {
        await agent.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** From its start to its end: it finds the runtime, takes the lock, reads and writes its state. */
async function prepareCommand(runtime: BenchRuntime, signal: AbortSignal) {
  const { files, remove } = await makeFiles(runtime);
  const args = [...(await readImageFlags()), bundle, 'prune', '--json', ...files.args];
  let output = '';
  return {
    run: async () => {
      output = (await exec(process.execPath, args, { signal, env: { ...process.env, NODE_OPTIONS: '' } })).stdout;
    },
    claims: async () =>
      toClaims(
        output
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as PruneRoundEvent),
      ),
    close: remove,
  };
}

async function makeFiles(runtime: BenchRuntime): Promise<{ files: AgentFiles; remove(): Promise<void> }> {
  const folder = await makeFolder('stv-b');
  const files = await makeAgentFiles(folder, 'agent', runtime);
  await files.setConfiguration(pruneConfiguration);
  return { files, remove: () => folder.remove() };
}

/** The three counters. */
function toClaims(events: readonly PruneRoundEvent[]): readonly Claim[] {
  const done = events.find((event) => event.kind === 'done');
  if (done?.kind !== 'done' || done.outcome !== 'success') {
    throw new Error(`the prune run did not end well: ${JSON.stringify(events.slice(-3))}`);
  }
  return [
    { what: 'reclaimed', bytes: done.reclaimedBytes },
    { what: 'filesystem gain', bytes: done.filesystemFreedBytes },
    { what: 'nominal', bytes: done.nominalBytes },
  ];
}
