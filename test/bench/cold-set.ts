/** Time until a cold image set is complete: the agent against the bare runtime at several concurrencies. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { makeFolder } from '../harness/folder.ts';
import { makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { ColdSet } from './cold-images.ts';
import { type BenchRegistry, countRepeated } from './registry.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import type { BenchRuntime } from './runtime.ts';
import { type BenchRuntimeKind, type BenchSettings } from './settings.ts';
import { formatSpread, toRatios, toSpread } from './statistics.ts';
import { readCpuSeconds, readMachineCpuSeconds } from './usage.ts';

interface Run {
  readonly variant: string;
  readonly round: number;
  readonly seconds: number;
  readonly daemonCpuSeconds: number;
  readonly registryCpuSeconds: number;
  readonly agentCpuSeconds: number;
  /** What else ran on the machine meanwhile: a run with much of it says little. */
  readonly otherCpuSeconds: number;
  /** Of the runtime. */
  readonly blobRequests: number;
  /** Of the agent: the configs of the images that it plans to pull. */
  readonly ownBlobRequests: number;
  readonly blobsRepeated: number;
}

const agentVariant = 'stevedore';
const concurrencies = [1, 2, 3, 4, 8];
/** A raw variant within this factor of the best one in the first round runs in every round. */
const nearBest = 1.08;
const goals = {
  containerd: { best: 0.92, oneByOne: 0.6 },
  docker: { best: 0.95, oneByOne: 0.65 },
} as const satisfies Record<BenchRuntimeKind, object>;
const runTimeoutMs = 300_000;

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
      const run = await measure(variant, round, runtime, registry, set);
      runs.push(run);
      console.log(toLine(run));
    }
    if (round === 0) variants = chooseVariants(runs, raw);
  }
  await runtime.wipe();
  return conclude(runtime, set, settings, runs);
}

function toRawVariant(concurrency: number): string {
  return concurrency === 1 ? 'one by one' : `${concurrency} at once`;
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

function conclude(runtime: BenchRuntime, set: ColdSet, settings: BenchSettings, runs: readonly Run[]): BenchResult {
  const secondsOf = (variant: string): number[] =>
    runs.filter((run) => run.variant === variant).map((run) => run.seconds);
  const variants = [...new Set(runs.map(({ variant }) => variant))];
  const medianOf = (variant: string): number => toSpread(secondsOf(variant)).median;
  const inEveryRound = variants.filter((name) => name !== agentVariant && secondsOf(name).length === settings.rounds);
  const best = inEveryRound.toSorted((a, b) => medianOf(a) - medianOf(b))[0] ?? toRawVariant(2);
  const ratioToBest = toSpread(toRatios(secondsOf(agentVariant), secondsOf(best)));
  const ratioToOne = toSpread(toRatios(secondsOf(agentVariant), secondsOf(toRawVariant(1))));

  printTable(
    `Cold set on ${runtime.kind} ${runtime.version}: seconds, median (min-max)`,
    [
      'variant',
      'runs',
      'seconds',
      'daemon CPU s',
      'agent CPU s',
      'other CPU s',
      'blob GETs',
      'own GETs',
      'blobs twice',
    ],
    variants.map((variant) => {
      const own = runs.filter((run) => run.variant === variant);
      const cell = (of: (run: Run) => number, digits = 1): string => formatSpread(toSpread(own.map(of)), digits);
      const most = (of: (run: Run) => number): string => String(Math.max(...own.map(of)));
      return [
        variant,
        String(own.length),
        cell(({ seconds }) => seconds),
        cell(({ daemonCpuSeconds }) => daemonCpuSeconds),
        cell(({ agentCpuSeconds }) => agentCpuSeconds, 2),
        cell(({ otherCpuSeconds }) => otherCpuSeconds),
        most(({ blobRequests }) => blobRequests),
        most(({ ownBlobRequests }) => ownBlobRequests),
        most(({ blobsRepeated }) => blobsRepeated),
      ];
    }),
  );
  console.log(`stevedore by the best raw (${best}), same round: ${formatSpread(ratioToBest, 3)}`);
  console.log(`stevedore by one by one, same round: ${formatSpread(ratioToOne, 3)}`);
  const repeated = Math.max(...runs.filter(({ variant }) => variant === agentVariant).map((run) => run.blobsRepeated));
  const goal = goals[runtime.kind];
  return {
    bench: 'cold-set',
    runtime: { kind: runtime.kind, version: runtime.version },
    settings: { rounds: settings.rounds, set: { ...set, references: set.references.length, biggest: undefined } },
    verdicts: [
      toVerdict(`cold set, ${runtime.kind}: by the best raw (${best})`, ratioToBest.median, goal.best),
      toVerdict(`cold set, ${runtime.kind}: by one by one`, ratioToOne.median, goal.oneByOne),
      toVerdict(`cold set, ${runtime.kind}: blobs fetched twice`, repeated, 0),
    ],
    figures: { bestRaw: best, ratioToBest, ratioToOne, runs },
  };
}

function toLine(run: Run): string {
  const { variant, round, seconds, daemonCpuSeconds, agentCpuSeconds, otherCpuSeconds } = run;
  return `round ${round + 1}  ${variant.padEnd(10)} ${seconds.toFixed(2).padStart(6)} s  CPU: daemon ${daemonCpuSeconds.toFixed(1)}, agent ${agentCpuSeconds.toFixed(2)}, other ${otherCpuSeconds.toFixed(1)}`;
}
