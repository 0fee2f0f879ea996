/** Time until a cold image set is complete: the agent against the bare runtime at several concurrencies. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { makeFolder } from '../harness/folder.ts';
import { makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { ColdSet } from './cold-images.ts';
import { type BenchRegistry, countRepeated } from './registry.ts';
import { agentVariant, conclude, type Run, toLine, toRawVariant } from './cold-set-report.ts';
import type { BenchResult } from './report.ts';
import type { BenchRuntime } from './runtime.ts';
import type { BenchSettings } from './settings.ts';
import { readCpuSeconds, readMachineCpuSeconds } from './usage.ts';

const concurrencies = [1, 2, 3, 4, 8];
/** A raw variant within this factor of the best one in the first round runs in every round. */
const nearBest = 1.08;
const runTimeoutMs = 300_000;
/** Of the daemon's CPU time; on a machine that does nothing else it is some 3 %, for what the kernel writes to disk. */
const disturbedShare = 0.3;
const mostAttempts = 2;

const exec = promisify(execFile);

export async function runColdSet(
  runtime: BenchRuntime,
  registry: BenchRegistry,
  set: ColdSet,
  settings: BenchSettings,
): Promise<BenchResult> {
  const raw = concurrencies.map(toRawVariant);
  let variants = [...raw, agentVariant];
  const runs: Run[] = [];
  for (let round = 0; round < settings.rounds; round += 1) {
    // Each round begins elsewhere, so that no variant always follows the same one.
    const order = variants.map((_, index) => variants[(index + round) % variants.length] ?? agentVariant);
    for (const variant of order) {
      const run = await measureUndisturbed(() => measure(variant, round, runtime, registry, set));
      runs.push(run);
    }
    if (round === 0) variants = chooseVariants(runs, raw);
  }
  await runtime.wipe();
  return conclude(runtime, set, settings, runs);
}

/** Repeats a run during which something else worked; after the last attempt the least disturbed one counts. */
async function measureUndisturbed(attempt: () => Promise<Run>): Promise<Run> {
  let best: Run | undefined;
  for (let attempts = 0; attempts < mostAttempts; attempts += 1) {
    const run = await attempt();
    const isDisturbed = run.otherCpuSeconds > disturbedShare * run.daemonCpuSeconds;
    console.log(`${toLine(run)}${isDisturbed ? '  disturbed' : ''}`);
    if (best === undefined || run.otherCpuSeconds < best.otherCpuSeconds) best = run;
    if (!isDisturbed) break;
  }
  if (best === undefined) throw new Error('no attempt was made');
  return best;
}

function chooseVariants(runs: readonly Run[], raw: readonly string[]): string[] {
  const secondsOf = (variant: string): number => runs.find((run) => run.variant === variant)?.seconds ?? Infinity;
  const best = Math.min(...raw.map(secondsOf));
  const near = raw.filter((variant, index) => index < 2 || secondsOf(variant) <= best * nearBest);
  return [...near, agentVariant];
}

async function measure(
  variant: string,
  round: number,
  runtime: BenchRuntime,
  registry: BenchRegistry,
  set: ColdSet,
): Promise<Run> {
  await runtime.wipe();
  // What the removal left to write must not be written during the run.
  await exec('sync');
  await registry.takeBlobRequests();
  const signal = AbortSignal.timeout(runTimeoutMs);
  const { seconds, agentCpuSeconds, before, after } = await (variant === agentVariant
    ? measureAgent(runtime, registry, set, signal)
    : measureRaw(Number.parseInt(variant, 10) || 1, runtime, registry, set, signal));
  const present = new Set(await runtime.listTags());
  const absent = set.references.filter((reference) => !present.has(reference));
  if (absent.length > 0) throw new Error(`${variant}: not there after the run: ${absent.join(', ')}`);
  const requests = await registry.takeBlobRequests();
  const daemonCpuSeconds = after.daemon - before.daemon;
  const registryCpuSeconds = after.registry - before.registry;
  return {
    variant,
    round,
    seconds,
    daemonCpuSeconds,
    registryCpuSeconds,
    agentCpuSeconds,
    otherCpuSeconds: after.machine - before.machine - daemonCpuSeconds - registryCpuSeconds - agentCpuSeconds,
    blobRequests: requests.filter(({ byAgent }) => !byAgent).length,
    ownBlobRequests: requests.filter(({ byAgent }) => byAgent).length,
    blobsRepeated: countRepeated(requests),
  };
}

interface Clocks {
  readonly daemon: number;
  readonly registry: number;
  readonly machine: number;
}

interface Measured {
  readonly seconds: number;
  readonly agentCpuSeconds: number;
  readonly before: Clocks;
  readonly after: Clocks;
}

async function readClocks(runtime: BenchRuntime, registry: BenchRegistry): Promise<Clocks> {
  const [daemon, ofRegistry, machine] = await Promise.all([
    readCpuSeconds(runtime.pid),
    readCpuSeconds(registry.pid),
    readMachineCpuSeconds(),
  ]);
  return { daemon, registry: ofRegistry, machine };
}

async function measureRaw(
  concurrency: number,
  runtime: BenchRuntime,
  registry: BenchRegistry,
  set: ColdSet,
  signal: AbortSignal,
): Promise<Measured> {
  const before = await readClocks(runtime, registry);
  const startedAt = performance.now();
  const references = set.references.values();
  const worker = async (): Promise<void> => {
    for (const reference of references) await runtime.pull(reference, signal);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, agentCpuSeconds: 0, before, after: await readClocks(runtime, registry) };
}

/** From the moment at which the configuration is there until the agent has said of every image that it is. */
async function measureAgent(
  runtime: BenchRuntime,
  registry: BenchRegistry,
  set: ColdSet,
  signal: AbortSignal,
): Promise<Measured> {
  const folder = await makeFolder('stv-b');
  try {
    const files = await makeAgentFiles(folder, 'agent', runtime);
    const agent = await startAgent(files, await readImageFlags(), signal);
    const agentBefore = await readCpuSeconds(agent.pid);
    const before = await readClocks(runtime, registry);
    const startedAt = performance.now();
    await files.setConfiguration(toConfiguration(registry.host, [{ name: 'cold', images: set.references }]));
    await agent.logged('pull done', set.references.length, signal);
    const seconds = (performance.now() - startedAt) / 1000;
    const after = await readClocks(runtime, registry);
    const agentCpuSeconds = (await readCpuSeconds(agent.pid)) - agentBefore;
    await agent.stop();
    return { seconds, agentCpuSeconds, before, after };
  } finally {
    await folder.remove();
  }
}
