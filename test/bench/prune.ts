/** Time until the cold set is gone and its bytes are back: the agent against what else removes images, on two filesystems. */

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildImage, buildLayer } from '../harness/images.ts';
import { pushImage } from '../harness/push.ts';
import type { SmallDisk } from '../harness/small-disk.ts';
import type { ColdSet } from './cold-images.ts';
import { createAgentVariants } from './prune-agent.ts';
import { type DiskTruth, watchDisk } from './prune-disk.ts';
import { conclude, type DiskName, type PruneRun, toLine } from './prune-report.ts';
import { createContainerdRivals } from './prune-rivals-containerd.ts';
import { createDockerRivals } from './prune-rivals-docker.ts';
import type { PreparedPrune, PruneVariant } from './prune-variants.ts';
import type { BenchRegistry } from './registry.ts';
import type { BenchResult } from './report.ts';
import { type BenchRuntime, startRuntime } from './runtime.ts';
import type { BenchRuntimeKind, BenchSettings } from './settings.ts';
import { readCpuSeconds, readMachineCpuSeconds } from './usage.ts';

interface Node {
  readonly runtime: BenchRuntime;
  readonly disk: DiskName;
  readonly references: readonly string[];
  /** The image of a container: it has to stay. */
  readonly inUse: string;
}

const runTimeoutMs = 300_000;
const pullsAtOnce = 2;
const containerName = 'bench-in-use';
/** Seconds of other CPU for each second of the run; on a machine that does nothing else it is what the kernel works for the removal. */
const disturbedShare = 0.3;
const mostAttempts = 2;

const exec = promisify(execFile);

export async function runPrune(
  kind: BenchRuntimeKind,
  registry: BenchRegistry,
  set: ColdSet,
  settings: BenchSettings,
): Promise<BenchResult> {
  const inUse = await pushImageInUse(registry);
  const runs: PruneRun[] = [];
  let version = '';
  for (const disk of ['small', 'machine'] as const) {
    const runtime = await startRuntime(kind, disk === 'small' ? toDisk(set) : undefined);
    version = runtime.version;
    try {
      runs.push(...(await measureOn({ runtime, disk, references: set.references, inUse }, settings)));
    } finally {
      await runtime.remove();
    }
  }
  return conclude({ kind, version }, set, settings, runs);
}

/** Twice what the set takes on containerd, which keeps the compressed blobs too. */
function toDisk({ compressedBytes, unpackedBytes }: ColdSet): SmallDisk {
  return { sizeBytes: 2 * (compressedBytes + unpackedBytes) + 512 * 1024 * 1024 };
}

async function pushImageInUse(registry: BenchRegistry): Promise<string> {
  const image = buildImage({
    layers: [buildLayer({ seed: 'in use', sizeBytes: 4096 })],
    entrypoint: ['/bin/true'],
    labels: { use: 'container' },
  });
  await pushImage(registry.target, 'platform/in-use', '1', image);
  return `${registry.host}/platform/in-use:1`;
}

async function measureOn(node: Node, settings: BenchSettings): Promise<PruneRun[]> {
  const { runtime, disk, inUse } = node;
  await runtime.pull(inUse, AbortSignal.timeout(runTimeoutMs));
  await runtime.createContainer(inUse, containerName);
  const rivals = runtime.kind === 'docker' ? createDockerRivals : createContainerdRivals;
  const { variants: others, close } = rivals(runtime.endpoint);
  const variants = [...createAgentVariants(runtime), ...others];
  console.log(`prune on ${runtime.kind} ${runtime.version}, ${disk} disk`);
  try {
    const runs: PruneRun[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      // Each round begins elsewhere, so that no variant always follows the same one.
      const order = variants.map((_, index) => variants[(index + round) % variants.length]);
      for (const variant of order) {
        if (variant !== undefined) runs.push(await measureUndisturbed(node, variant, round));
      }
    }
    return runs;
  } finally {
    close();
  }
}

/** Repeats a run during which something else worked; after the last attempt the least disturbed one counts. */
async function measureUndisturbed(node: Node, variant: PruneVariant, round: number): Promise<PruneRun> {
  let best: PruneRun | undefined;
  for (let attempts = 0; attempts < mostAttempts; attempts += 1) {
    const run = await measure(node, variant, round);
    const isDisturbed = run.otherCpuSeconds > disturbedShare * run.returnSeconds;
    console.log(`${toLine(run)}${isDisturbed ? '  disturbed' : ''}`);
    if (best === undefined || run.otherCpuSeconds < best.otherCpuSeconds) best = run;
    if (!isDisturbed) break;
  }
  if (best === undefined) throw new Error('no attempt was made');
  return best;
}

async function measure(node: Node, variant: PruneVariant, round: number): Promise<PruneRun> {
  const { runtime, disk, references, inUse } = node;
  const signal = AbortSignal.timeout(runTimeoutMs);
  await pullAbsent(runtime, [...references, inUse], signal);
  const prepared = await variant.prepare(signal);
  try {
    // Others write to the machine's: what came back there, and when, nobody could tell.
    const watch = disk === 'small' ? await watchDisk(runtime.root) : undefined;
    // What the pulls left to write must not be written during the run.
    await exec('sync');
    const before = await readClocks(runtime, prepared);
    const startedAt = performance.now();
    await prepared.run();
    const returnSeconds = (performance.now() - startedAt) / 1000;
    await watch?.returned();
    const after = await readClocks(runtime, prepared);
    const truth: DiskTruth | undefined = await watch?.finish();
    const left = new Set(await runtime.listTags());
    const stayed = references.filter((reference) => left.has(reference));
    if (stayed.length > 0) throw new Error(`${variant.name}: still there after the run: ${stayed.join(', ')}`);
    const daemonCpuSeconds = after.daemon - before.daemon;
    const clientCpuSeconds = after.client - before.client;
    return {
      variant: variant.name,
      disk,
      round,
      seconds: Math.max(returnSeconds, truth?.backSeconds ?? 0),
      returnSeconds,
      keptInUse: left.has(inUse),
      truth,
      claims: await prepared.claims(),
      daemonCpuSeconds,
      clientCpuSeconds,
      otherCpuSeconds: after.machine - before.machine - daemonCpuSeconds - clientCpuSeconds,
    };
  } finally {
    await prepared.close();
  }
}

async function pullAbsent(runtime: BenchRuntime, wanted: readonly string[], signal: AbortSignal): Promise<void> {
  const present = new Set(await runtime.listTags());
  const absent = wanted.filter((reference) => !present.has(reference)).values();
  const worker = async (): Promise<void> => {
    for (const reference of absent) await runtime.pull(reference, signal);
  };
  await Promise.all(Array.from({ length: pullsAtOnce }, worker));
  // A collector that the pulls have called comes now.
  await sleep(1_000, undefined, { signal });
}

interface Clocks {
  readonly daemon: number;
  /** Of this process, what it has started and waited for, and the agent. */
  readonly client: number;
  readonly machine: number;
}

async function readClocks(runtime: BenchRuntime, { pid }: PreparedPrune): Promise<Clocks> {
  const [daemon, own, agent, machine] = await Promise.all([
    readCpuSeconds(runtime.pid),
    readCpuSeconds(process.pid),
    pid === undefined ? 0 : readCpuSeconds(pid),
    readMachineCpuSeconds(),
  ]);
  return { daemon, client: own + agent, machine };
}
