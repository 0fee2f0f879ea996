/** What the runs of the cold set say: the table, the ratios, the verdicts. */

import type { ColdSet } from './cold-images.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import type { BenchRuntime } from './runtime.ts';
import type { BenchRuntimeKind, BenchSettings } from './settings.ts';
import { formatSpread, toRatios, toSpread } from './statistics.ts';

export interface Run {
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

export const agentVariant = 'stevedore';
const goals = {
  containerd: { best: 0.92, oneByOne: 0.6 },
  docker: { best: 0.95, oneByOne: 0.65 },
} as const satisfies Record<BenchRuntimeKind, object>;

export function toRawVariant(concurrency: number): string {
  return concurrency === 1 ? 'one by one' : `${concurrency} at once`;
}

export function conclude(
  runtime: BenchRuntime,
  set: ColdSet,
  settings: BenchSettings,
  runs: readonly Run[],
): BenchResult {
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
        cell(({ seconds, daemonCpuSeconds }) => seconds / daemonCpuSeconds, 2),
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

export function toLine(run: Run): string {
  const { variant, round, seconds, daemonCpuSeconds, agentCpuSeconds, otherCpuSeconds } = run;
  return `round ${round + 1}  ${variant.padEnd(10)} ${seconds.toFixed(2).padStart(6)} s  CPU: daemon ${daemonCpuSeconds.toFixed(1)}, agent ${agentCpuSeconds.toFixed(2)}, other ${otherCpuSeconds.toFixed(1)}`;
}
