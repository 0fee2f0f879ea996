/** What may happen to a node, each decided by the dice alone: what is thrown does not depend on what came of it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { stevedore } from '../integration/running-agent.ts';
import type { AgentLives } from './agent-lives.ts';
import type { Dice } from './dice.ts';
import { damage, removeImage, runContainer } from './mishaps.ts';
import { type Node, type TrackedImage, type Wanted } from './node.ts';

export interface Scene {
  readonly node: Node;
  readonly agent: AgentLives;
  readonly dice: Dice;
  readonly deviate: (what: string) => void;
  /** Runs beside what follows; awaited before the next check. */
  readonly background: (work: Promise<void>) => void;
}

type Action = (scene: Scene) => () => Promise<unknown>;

const indices = [0, 1, 2, 3, 4, 5, 6, 7];

function throwWanted(dice: Dice, before: Wanted): Wanted {
  const throwSet = (): number[] => dice.some(indices).slice(0, 4);
  return { ...before, sets: { always: throwSet(), gpu: throwSet(), zone: throwSet() }, concurrency: 1 + dice.below(3) };
}

const actions: Readonly<Record<string, { readonly weight: number; readonly throwOne: Action }>> = {
  labels: {
    weight: 10,
    throwOne: ({ node, dice }) => {
      const labels = dice.some(['zone=a', 'gpu=yes', 'rack=r1']);
      const inPlace = dice.chance(0.5);
      return () => {
        node.wanted = { ...node.wanted, labels };
        return node.write('labels', node.toLabels(), inPlace);
      };
    },
  },
  configuration: {
    weight: 12,
    throwOne: ({ node, dice }) => {
      const wanted = throwWanted(dice, node.wanted);
      const inPlace = dice.chance(0.5);
      const more = dice.pick(['', '', '', '  enabled: false\n', '  dryRun: true\n', '  maxImageSize: 10M\n']);
      return () => {
        node.wanted = { ...node.wanted, sets: wanted.sets, concurrency: wanted.concurrency };
        return node.write('config.yaml', node.toConfig(more), inPlace);
      };
    },
  },
  brokenFile: {
    weight: 6,
    throwOne: ({ node, dice }) => {
      const name = dice.pick(['config.yaml', 'labels', 'credentials.json'] as const);
      const how = dice.pick(['removed', 'folder', 'text'] as const);
      const inPlace = dice.chance(0.5);
      return () => (how === 'text' ? node.write(name, '{ broken: [', inPlace) : node.spoil(name, how));
    },
  },
  wholeFiles: {
    weight: 5,
    throwOne:
      ({ node }) =>
      () =>
        writeAll(node),
  },
  credentials: {
    weight: 4,
    throwOne: ({ node, dice }) => {
      const isRight = dice.chance(0.6);
      return () => node.write('credentials.json', node.toCredentials(isRight), false);
    },
  },
  moveTag: { weight: 6, throwOne: withImage((node, image) => node.moveTag(image)) },
  removeImage: { weight: 8, throwOne: withImage(removeImage) },
  damage: {
    weight: 6,
    throwOne: ({ node, dice }) => {
      const image = node.images[dice.below(8)];
      const part = dice.pick(['manifest', 'config', 'layer', 'snapshot'] as const);
      return () => (image === undefined ? Promise.resolve() : damage(node, image, part));
    },
  },
  container: { weight: 4, throwOne: withImage(runContainer) },
  registryFault: {
    weight: 10,
    throwOne: ({ node: { registry }, dice }) => {
      const status = dice.pick([500, 503, 429, 403, 404]);
      const after = dice.below(3_000_000);
      const faults = dice.pick([
        { bytesPerSecond: 1e6 },
        { status: () => status },
        { status: (_: string, path: string) => (path.includes('/blobs/') ? status : undefined) },
        { cutBlobAfterBytes: after },
        { hangBlobAfterBytes: after },
        { hang: true },
        { delayMs: 700 },
      ]);
      return async () => Object.assign(registry.faults, faults);
    },
  },
  registryWell: {
    weight: 8,
    throwOne:
      ({ node }) =>
      async () =>
        clearFaults(node),
  },
  registryAway: {
    weight: 3,
    throwOne: ({ node, dice }) => {
      const goes = dice.chance(0.5);
      return () => (goes ? node.registry.stop() : node.registry.start());
    },
  },
  runtimeAway: {
    weight: 3,
    throwOne: ({ node: { daemon }, dice }) => {
      const isKill = dice.chance(0.5);
      const awayMs = dice.below(2_000);
      return async () => {
        await (isKill ? daemon.kill() : daemon.stop());
        await sleep(awayMs);
        await daemon.start();
      };
    },
  },
  runtimeFrozen: {
    weight: 2,
    throwOne: ({ node: { daemon }, dice }) => {
      // Now and then longer than any probe waits.
      const frozenMs = dice.chance(0.15) ? 12_000 : 500 + dice.below(2_500);
      return async () => {
        const { pid } = daemon;
        process.kill(pid, 'SIGSTOP');
        await sleep(frozenMs);
        process.kill(pid, 'SIGCONT');
      };
    },
  },
  agentStopped: {
    weight: 3,
    throwOne:
      ({ agent }) =>
      async () => {
        await agent.stop();
        await agent.start();
      },
  },
  agentKilled: {
    weight: 4,
    throwOne: ({ agent, dice }) => {
      const afterMs = dice.below(2_000);
      const isEarly = dice.chance(0.5);
      return async () => {
        await agent.kill();
        await agent.start();
        if (!isEarly) return;
        // Anywhere in its start.
        await sleep(afterMs);
        await agent.kill();
        await agent.start();
      };
    },
  },
  pull: {
    weight: 4,
    throwOne:
      ({ node, background, deviate }) =>
      async () =>
        background(command(['pull', '--json', '--state-dir', node.stateDir], [0, 1, 3], node, deviate)),
  },
  plan: {
    weight: 4,
    throwOne: ({ node, background, deviate, dice }) => {
      const own = dice.chance(0.5) ? node.options : ['--state-dir', node.stateDir];
      return async () => background(command(['plan', '--json', ...own], [0, 1], node, deviate));
    },
  },
  secondAgent: {
    weight: 3,
    throwOne: (scene) => () => startSecondAgent(scene),
  },
};

/** Names and weights of all; a run may leave some out. */
export function throwAction(scene: Scene, without: ReadonlySet<string>): { name: string; run: () => Promise<unknown> } {
  const names = Object.keys(actions).filter((name) => !without.has(name));
  const weighted = names.flatMap((name) => Array<string>(actions[name]?.weight ?? 0).fill(name));
  const name = scene.dice.pick(weighted);
  return { name, run: actions[name]?.throwOne(scene) ?? (() => Promise.resolve()) };
}

export async function writeAll(node: Node, more = ''): Promise<void> {
  await node.write('credentials.json', node.toCredentials(true), false);
  await node.write('labels', node.toLabels(), false);
  await node.write('config.yaml', node.toConfig(more), false);
}

export function clearFaults({ registry: { faults } }: Node): void {
  for (const name of Object.keys(faults) as (keyof typeof faults)[]) delete faults[name];
}

function withImage(act: (node: Node, image: TrackedImage) => Promise<unknown>): Action {
  return ({ node, dice }) => {
    const image = node.images[dice.below(node.images.length)];
    return () => (image === undefined ? Promise.resolve() : act(node, image));
  };
}

async function startSecondAgent({ node, agent, deviate }: Scene): Promise<void> {
  const life = agent.lives;
  // Only while the first surely holds the folder.
  if (agent.url === undefined) return;
  const args = ['run', '--listen', '127.0.0.1:0', '--log-level', 'silent', ...node.options];
  const { code, stderr } = await stevedore(args);
  if (code !== 4 && life === agent.lives) deviate(`a second agent left with ${code}: ${stderr}`);
}

/** Bounded in time, one of the exit codes, no stack trace, no credential. */
async function command(args: string[], codes: number[], node: Node, deviate: Scene['deviate']): Promise<void> {
  const startedAt = Date.now();
  const { code, stdout, stderr } = await stevedore(args);
  const tookMs = Date.now() - startedAt;
  const said = `${args[0]}: ${code} after ${tookMs} ms: ${stderr.trim()}`;
  if (!codes.includes(code ?? -1)) deviate(said);
  if (/^\s+at /m.test(stderr)) deviate(`stack trace of ${said}`);
  if (node.secrets.some((secret) => (stdout + stderr).includes(secret))) deviate(`credential in ${said}`);
  if (args[0] === 'plan' && tookMs > 60_000) deviate(`slow ${said}`);
}
