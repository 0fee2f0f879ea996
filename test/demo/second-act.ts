/** The second act: the disk fills, and what nothing uses goes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { toReadableSize } from '../../agent/core/readable-size.ts';
import { type BuiltLayer, buildImage, buildLayer, busyboxImage, busyboxLayer } from '../harness/images.ts';
import type { TestRegistry } from '../harness/registry.ts';
import type { DemoNode } from './node.ts';
import { type LogEntry, type RunningAgent, say, showMetrics, stevedore, stop, untilLogged } from './stage.ts';

/** Above the high watermark's default, 75 %, and below where the kubelet begins, 85 %. */
const fullRatio = 0.77;
const megabyte = 1e6;

export interface SecondAct {
  readonly node: DemoNode;
  readonly registry: TestRegistry;
  readonly agent: RunningAgent;
  readonly stateDir: string;
  /** Writes the configuration anew with this `prune` section. */
  setPrune(section: string): Promise<void>;
}

/** In hours and days nobody would watch it. `watermarks`: only where they are not the defaults. */
export function toPruneSection(dryRun: boolean, watermarks = ''): string {
  return `prune:
  dryRun: ${String(dryRun).padEnd(26)}# ${dryRun ? 'at first, only tell' : 'the plan was right: go on'}
  minimumAge: 1s                    # default: 1h
  spaceGrace: 2s                    # default: 24h
  keep: ["*/ops/*"]
${watermarks}`;
}

/** @param bases layers of the first act: these are versions that came before, and more. */
export async function pushOlderSamples(registry: TestRegistry, bases: readonly BuiltLayer[]): Promise<void> {
  const layer = (seed: string, megabytes: number) => buildLayer({ seed, sizeBytes: megabytes * megabyte });
  const below = [...bases, busyboxLayer()];
  for (const version of ['2.6', '2.7', '2.8']) {
    const layers = [...below, layer(`torch-${version}`, 60)];
    const image = buildImage({ layers, entrypoint: ['/bin/sleep', '3600'] });
    await registry.push('ml/pytorch', `${version}-cuda13`, image);
  }
  await registry.push('batch/etl', '5', busyboxImage([layer('etl', 20)]));
  await registry.push('batch/report', '3', busyboxImage([layer('report', 15)]));
  await registry.push('ops/debug', '1', busyboxImage([layer('debug', 5)]));
}

export async function playSecondAct({ node, registry, agent, stateDir, setPrune }: SecondAct): Promise<void> {
  const { host } = registry;
  say('Time goes by: the kubelet pulls other images, and containers come and go');
  const older = ['2.6', '2.7', '2.8'].map((version) => `ml/pytorch:${version}-cuda13`);
  for (const name of ['batch/etl:5', 'batch/report:3', 'ops/debug:1', ...older]) {
    stop.signal.throwIfAborted();
    await node.pull(`${host}/${name}`);
  }
  await node.run(`${host}/batch/etl:5`, 'etl');
  console.log('batch/etl:5               a container runs');
  await node.run(`${host}/batch/report:3`, 'report');
  await node.stopContainer('report');
  console.log('batch/report:3            a container has stopped, and is still there');
  await sleep(2_000, undefined, { signal: stop.signal });
  await node.run(`${host}/ml/pytorch:2.6-cuda13`, 'training');
  await node.stopContainer('training');
  await node.removeContainer('training');
  console.log('ml/pytorch:2.6-cuda13     a container ran just now, and was removed');
  console.log('ml/pytorch:2.7, 2.8       no container yet\nops/debug:1               no container, but a keep rule');
  const watermarks = await fillDisk(node);
  if (watermarks !== '') {
    await setPrune(toPruneSection(true, watermarks));
    console.log('and the watermarks are moved to just below what is free now');
    await sleep(1_500, undefined, { signal: stop.signal });
  }

  say('stevedore plan: what is there, what would go, and why the rest stays');
  await stevedore('plan', '--state-dir', stateDir);

  say('The plan is right: prune.dryRun goes from true to false, and the agent begins');
  const before = await node.disk();
  const from = agent.entries.length;
  await setPrune(toPruneSection(false, watermarks));
  const done = await untilLogged(agent, from, 'prune done', (entry) => {
    if (entry['message'] === 'image removed') console.log(toRemovedLine(entry));
  });
  const after = await node.disk();
  console.log(`the disk: ${toPercent(before.usedRatio)} before, ${toPercent(after.usedRatio)} now\n`);
  showFigures(node, done, after.availBytes - before.availBytes);

  say(`What the node still holds, as ${node.kind} lists it: what is in use, desired, kept by a rule or not in the way`);
  console.log(await node.listImages());

  say('The metrics of it');
  await showMetrics(agent, [
    'images',
    'prune_runs_total',
    'prune_images_removed_total',
    'prune_reclaimed_bytes_total',
    'prune_filesystem_freed_bytes_total',
    'prune_image_size_bytes_total',
  ]);
}

/** @returns the lines of watermarks under which the disk counts as full, where it must not be filled */
async function fillDisk(node: DemoNode): Promise<string> {
  const { sizeBytes, availBytes, usedRatio } = await node.disk();
  if (node.noDisk === undefined) {
    const bytes = sizeBytes * (fullRatio - usedRatio);
    await node.writeFile('logs', bytes);
    console.log(`and logs of ${toReadableSize(bytes)} fill the disk to ${toPercent(fullRatio)}`);
    return '';
  }
  const free = (bytes: number): string => `${Math.round((availBytes + bytes) / 1024)}Ki`;
  return `  watermarks: { low: ${free(90 * megabyte)}, high: ${free(20 * megabyte)}, critical: 1Mi }\n`;
}

function toRemovedLine({ names, reason, reclaimedBytes, seconds }: LogEntry): string {
  const [name] = Array.isArray(names) ? names : [];
  const took = typeof seconds === 'number' ? seconds.toFixed(1) : '?';
  return `removed ${String(name)}: ${String(reason)}, ${toReadableSize(Number(reclaimedBytes))} reclaimed in ${took} s`;
}

function showFigures({ kind }: DemoNode, done: LogEntry, diskBytes: number): void {
  const how = kind === 'docker' ? "the filesystem's gain around each removal" : 'the parts that are proven gone';
  const figures = [
    ['reclaimed', Number(done['reclaimedBytes']), how],
    ['the disk itself', diskBytes, 'free space before and after, asked by this demo'],
    ['filesystem gain', Number(done['filesystemFreedBytes']), 'the same, asked by the agent; other writers are in it'],
    ['nominal size', Number(done['nominalBytes']), `as ${kind} lists the images: shared layers with each`],
  ] as const;
  for (const [name, bytes, meaning] of figures) {
    console.log(`${name.padEnd(16)} ${(bytes / megabyte).toFixed(1).padStart(7)} MB  ${meaning}`);
  }
}

function toPercent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
