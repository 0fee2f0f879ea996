/** What the runs of the prune bench say: two tables, the ratios, the verdicts. */

import type { ColdSet } from './cold-images.ts';
import type { DiskTruth } from './prune-disk.ts';
import { agentVariants, type Claim } from './prune-variants.ts';
import { type BenchResult, printTable, toVerdict, type Verdict } from './report.ts';
import type { BenchSettings } from './settings.ts';
import { formatSpread, type Spread, toRatios, toSpread } from './statistics.ts';

/** `small`: an ext4 of its own that discards nothing; `machine`: wherever the machine keeps its temporary files. */
export type DiskName = 'small' | 'machine';

export interface PruneRun {
  readonly variant: string;
  readonly disk: DiskName;
  readonly round: number;
  /** Until the call has returned and, where that can be told, the bytes are back. */
  readonly seconds: number;
  readonly returnSeconds: number;
  readonly keptInUse: boolean;
  /** Undefined on a filesystem that others write to. */
  readonly truth: DiskTruth | undefined;
  readonly claims: readonly Claim[];
  readonly daemonCpuSeconds: number;
  readonly clientCpuSeconds: number;
  /** What else ran on the machine meanwhile: a run with much of it says little. */
  readonly otherCpuSeconds: number;
}

const goal = 1.05;
/** Below it the bytes are not back at return. */
const backShare = 0.99;

export function conclude(
  runtime: { readonly kind: string; readonly version: string },
  set: ColdSet,
  settings: BenchSettings,
  runs: readonly PruneRun[],
): BenchResult {
  const disks = [...new Set(runs.map(({ disk }) => disk))];
  const verdicts: Verdict[] = [];
  const ratios: { disk: DiskName; variant: string; rival: string; ratio: Spread }[] = [];
  for (const disk of disks) {
    const own = runs.filter((run) => run.disk === disk);
    printTimes(`Prune on ${runtime.kind} ${runtime.version}, ${disk} disk: median (min-max)`, own, runs);
    const rival = findFastestSafe(own, runs);
    if (rival === undefined) continue;
    for (const variant of agentVariants) {
      const ratio = toSpread(toRatios(secondsOf(own, variant), secondsOf(own, rival)));
      console.log(`${variant} by the fastest safe rival (${rival}), same round: ${formatSpread(ratio, 3)}`);
      ratios.push({ disk, variant, rival, ratio });
    }
    const ofAgent = ratios.find((one) => one.disk === disk && one.variant === agentVariants[0]);
    verdicts.push(
      toVerdict(`prune, ${runtime.kind}, ${disk} disk: by ${rival}`, ofAgent?.ratio.median ?? Infinity, goal),
    );
  }
  printClaims(`Bytes that came back on ${runtime.kind}, claimed and true`, runs);
  return {
    bench: 'prune',
    runtime,
    settings: { rounds: settings.rounds, set: { ...set, references: set.references.length, biggest: undefined } },
    verdicts,
    figures: { ratios, runs },
  };
}

/** Of those that never took an image from under a container and had given the bytes back when they said that they were done. */
function findFastestSafe(runs: readonly PruneRun[], all: readonly PruneRun[]): string | undefined {
  const rivals = [...new Set(runs.map(({ variant }) => variant))].filter(
    (variant) => !agentVariants.some((own) => own === variant),
  );
  const safe = rivals.filter((variant) => isSafe(variant, all));
  const medianOf = (variant: string): number => toSpread(secondsOf(runs, variant)).median;
  return safe.toSorted((a, b) => medianOf(a) - medianOf(b))[0];
}

function isSafe(variant: string, runs: readonly PruneRun[]): boolean {
  return runs.every((run) => run.variant !== variant || (run.keptInUse && (run.truth?.atReturn ?? 1) >= backShare));
}

function secondsOf(runs: readonly PruneRun[], variant: string): number[] {
  return runs.filter((run) => run.variant === variant).map(({ seconds }) => seconds);
}

function printTimes(title: string, runs: readonly PruneRun[], all: readonly PruneRun[]): void {
  const variants = [...new Set(runs.map(({ variant }) => variant))];
  printTable(
    title,
    [
      'who',
      'runs',
      's until back',
      's until return',
      'back at return',
      'safe',
      'daemon CPU s',
      'client CPU s',
      'other CPU s',
    ],
    variants.map((variant) => {
      const own = runs.filter((run) => run.variant === variant);
      const cell = (of: (run: PruneRun) => number, digits = 2): string => formatSpread(toSpread(own.map(of)), digits);
      return [
        variant,
        String(own.length),
        cell(({ seconds }) => seconds),
        cell(({ returnSeconds }) => returnSeconds),
        toBackAtReturn(own),
        isSafe(variant, all) ? 'yes' : 'no',
        cell(({ daemonCpuSeconds }) => daemonCpuSeconds),
        cell(({ clientCpuSeconds }) => clientCpuSeconds),
        cell(({ otherCpuSeconds }) => otherCpuSeconds),
      ];
    }),
  );
}

function toBackAtReturn(runs: readonly PruneRun[]): string {
  const shares = runs.flatMap(({ truth }) => (truth === undefined ? [] : [truth.atReturn]));
  return shares.length === 0 ? '' : `${(100 * Math.min(...shares)).toFixed(1)} %`;
}

function printClaims(title: string, runs: readonly PruneRun[]): void {
  const rows = new Map<string, { variant: string; what: string; claimed: number[]; share: number[] }>();
  for (const { variant, claims, truth } of runs) {
    if (truth === undefined) continue;
    for (const { what, bytes } of claims) {
      const key = `${variant} ${what}`;
      const row = rows.get(key) ?? { variant, what, claimed: [], share: [] };
      row.claimed.push(bytes / 1e6);
      row.share.push((100 * (bytes - truth.bytes)) / truth.bytes);
      rows.set(key, row);
    }
  }
  printTable(
    title,
    ['who', 'claims by', 'MB', 'beside the disk, %'],
    [...rows.values()].map(({ variant, what, claimed, share }) => {
      const { min, median, max } = toSpread(share);
      const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(2)}`;
      return [
        variant,
        what,
        toSpread(claimed).median.toFixed(1),
        `${signed(median)} (${signed(min)} to ${signed(max)})`,
      ];
    }),
  );
  const disk = runs.flatMap(({ truth }) => (truth === undefined ? [] : [truth.bytes / 1e6]));
  if (disk.length > 0) console.log(`the disk itself: ${formatSpread(toSpread(disk), 1)} MB`);
}

export function toLine(run: PruneRun): string {
  const { variant, round, disk, seconds, returnSeconds, daemonCpuSeconds, clientCpuSeconds, otherCpuSeconds } = run;
  const cpu = `daemon ${daemonCpuSeconds.toFixed(2)}, client ${clientCpuSeconds.toFixed(2)}, other ${otherCpuSeconds.toFixed(2)}`;
  return `round ${round + 1}  ${disk.padEnd(7)} ${variant.padEnd(26)} ${seconds.toFixed(2).padStart(6)} s (returned after ${returnSeconds.toFixed(2)})  CPU: ${cpu}`;
}
