/** Kills the process that removes an image between any two steps, and sees what the next one makes of it: all names, or none. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createContainerdRuntime } from '../../agent/runtime/containerd/containerd-runtime.ts';
import { raceContainers, type RaceContainers, type RaceImage } from './race-containers.ts';
import { type RaceNode, soon, startRaceNode } from './race-node.ts';
import type { VictimOrder } from './removal-victim.ts';

export interface KillOptions {
  readonly bin?: string;
  /** Undefined: every one, until the removal gets through. */
  readonly points?: readonly KillPoint[];
}

export interface KillPoint {
  /** Before or after the nth call that changes something. */
  readonly write: number;
  readonly after: boolean;
  /** A container of the image is made meanwhile. */
  readonly used: boolean;
}

export interface KillReport {
  readonly points: number;
  readonly restored: number;
  readonly gone: number;
  readonly untouched: number;
  readonly violations: readonly string[];
}

const maxWrites = 40;

export async function runRemovalKills(options: KillOptions = {}): Promise<KillReport> {
  const node = await startRaceNode(options.bin);
  const containers = await raceContainers(node.containerd.endpoint, node.containerd.folder);
  const report = { points: 0, restored: 0, gone: 0, untouched: 0 };
  const violations: string[] = [];
  async function kill(point: KillPoint): Promise<boolean> {
    const [image] = await node.load(1);
    if (image === undefined) throw new Error('no image was loaded');
    const seen = await killOnce(node, containers, image, point);
    if (!seen.killed) return false;
    report.points += 1;
    report[seen.outcome] += 1;
    violations.push(...seen.wrong.map((what) => `killed ${JSON.stringify(point)}: ${what}`));
    return true;
  }
  try {
    if (options.points !== undefined) {
      for (const point of options.points) await kill(point);
    } else {
      for (const used of [false, true]) for (const after of [false, true]) await killEverywhere(kill, after, used);
    }
    return { ...report, violations };
  } finally {
    containers.close();
    await node.remove();
  }
}

async function killEverywhere(
  kill: (point: KillPoint) => Promise<boolean>,
  after: boolean,
  used: boolean,
): Promise<void> {
  for (let write = 1; write <= maxWrites; write += 1) if (!(await kill({ write, after, used }))) return;
}

interface Killed {
  readonly killed: boolean;
  readonly outcome: 'restored' | 'gone' | 'untouched';
  readonly wrong: readonly string[];
}

async function killOnce(
  node: RaceNode,
  containers: RaceContainers,
  image: RaceImage,
  point: KillPoint,
): Promise<Killed> {
  const { endpoint, folder } = node.containerd;
  const before = await node.namesOf(image);
  const order: VictimOrder = { endpoint, folder, image, ...point };
  const victim = spawn(process.execPath, [fileURLToPath(new URL('removal-victim.ts', import.meta.url))], {
    env: { ...process.env, STEVEDORE_VICTIM: JSON.stringify(order) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  victim.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code, signal] = (await once(victim, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the removal ended with ${code ?? signal}`);
  const container = said.trim() === '' ? undefined : said.trim();

  const left = await node.namesOf(image);
  const next = createContainerdRuntime({ endpoint });
  const undone = await next.undoRemovals(undefined, soon()).finally(() => next.close());
  const names = await node.namesOf(image);
  const missing = await node.missingOf(image);
  const wrong: string[] = [];
  if (names.length !== 0 && names.length !== before.length) wrong.push(`only some names: ${names.join(' ')}`);
  if (names.length !== 0 && missing.length > 0) wrong.push(`names without ${missing.join(' ')}`);
  if (container !== undefined && names.length === 0) wrong.push(`container ${container} without its image`);
  if (undone.includes(image.id) !== left.length < names.length)
    wrong.push(`said ${undone.join(' ')} of ${left.length} names`);
  for (const trace of await node.tracesOf(image)) wrong.push(`left behind: ${trace}`);
  if (container !== undefined) await containers.remove(container);
  const outcome = names.length === 0 ? 'gone' : left.length < before.length ? 'restored' : 'untouched';
  return { killed: signal === 'SIGKILL', outcome, wrong };
}
