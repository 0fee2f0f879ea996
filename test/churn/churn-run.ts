/** Rounds of random events on one node; after each everything is made well again, and the agent must get there by itself. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clearFaults, type Scene, throwAction, writeAll } from './actions.ts';
import { createAgentLives, type Sample } from './agent-lives.ts';
import { makeDice } from './dice.ts';
import { settle } from './invariants.ts';
import { type Kind, makeNode } from './node.ts';

export interface ChurnOptions {
  readonly kind: Kind;
  readonly seed: number;
  /** Whichever comes first ends the run, after a whole round. */
  readonly rounds?: number;
  readonly forMs?: number;
  readonly actionsPerRound: number;
  /** Between two events, at most. */
  readonly gapMs: number;
  /** How long the agent may take to get everything right. */
  readonly settleMs: number;
  /** Names of actions that are left out. */
  readonly without?: readonly string[];
  readonly say?: (line: string) => void;
  readonly logPath?: string;
}

export interface ChurnReport {
  readonly deviations: readonly string[];
  readonly actions: ReadonlyMap<string, number>;
  readonly lives: number;
  readonly rounds: number;
  /** How long each round took to be right again, ms. */
  readonly settledMs: readonly number[];
  /** One at the end of each round. */
  readonly samples: readonly Sample[];
  readonly messages: ReadonlyMap<string, number>;
}

export async function runChurn(options: ChurnOptions): Promise<ChurnReport> {
  const { kind, seed, rounds = Infinity, forMs = Infinity, say = () => undefined } = options;
  const without = new Set(options.without ?? []);
  const startedAt = Date.now();
  const deviations: string[] = [];
  const actions = new Map<string, number>();
  const settledMs: number[] = [];
  const samples: Sample[] = [];
  const node = await makeNode(kind);
  const deviate = (what: string): void => {
    deviations.push(what);
    say(`DEVIATION ${what}`);
  };
  const agent = createAgentLives({
    args: node.options,
    secrets: node.secrets,
    logPath: options.logPath ?? join(node.folder, 'agent.log'),
    onDeviation: deviate,
  });
  const ended = new AbortController();
  const watching = watch(agent, deviate, ended.signal);
  try {
    await writeAll(node);
    await agent.start();
    const dice = makeDice(seed);
    let round = 0;
    for (; round < rounds && Date.now() - startedAt < forMs; round += 1) {
      const beside: Promise<void>[] = [];
      const scene: Scene = { node, agent, dice, deviate, background: (work) => void beside.push(work) };
      for (let count = 0; count < options.actionsPerRound; count += 1) {
        const { name, run } = throwAction(scene, without);
        const gapMs = dice.next() * options.gapMs;
        actions.set(name, (actions.get(name) ?? 0) + 1);
        say(`${elapsed(startedAt)} ${round}.${count} ${name}`);
        await run().catch((error: unknown) => say(`  ${name}: ${String(error).split('\n', 1)[0]}`));
        await sleep(gapMs);
      }
      clearFaults(node);
      await node.registry.start();
      await node.daemon.start();
      await agent.start();
      const healedAt = Date.now();
      await writeAll(node);
      await Promise.all(beside);
      // Ends the backoffs of what vanished or was refused: a change of the configuration does.
      await sleep(1_500);
      await node.write('config.yaml', node.toConfig(`# round ${round}\n`), false);
      const wrong = await settle(node, agent, options.settleMs);
      const tookMs = Date.now() - healedAt;
      settledMs.push(tookMs);
      say(`${elapsed(startedAt)} round ${round} ${wrong.length === 0 ? 'well' : 'NOT WELL'} after ${tookMs} ms`);
      for (const what of wrong) deviate(`round ${round}: ${what}`);
      const sample = await agent.sample();
      if (sample !== undefined) samples.push(sample);
    }
    await agent.stop();
    return { deviations, actions, lives: agent.lives, rounds: round, settledMs, samples, messages: agent.messages };
  } finally {
    ended.abort();
    await watching;
    await agent.kill();
    await node.remove();
  }
}

/** Asks the port twice a second, as long as the agent says that it listens. */
async function watch(
  agent: ReturnType<typeof createAgentLives>,
  deviate: (what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { url, lives } = agent;
    if (url !== undefined) {
      await agent.readMetrics();
      const alive = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
      if (alive?.status !== 200 && agent.url === url && agent.lives === lives && agent.running) {
        await sleep(300);
        if (agent.url === url && agent.running) deviate(`livez: ${alive?.status ?? 'no answer'}`);
      }
    }
    await sleep(500, undefined, { signal }).catch(() => undefined);
  }
}

function elapsed(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
