/** How much is pulled again under which order of eviction: a simulation of one node, no daemon. See README.md, "Eviction". */

import { clairvoyantName, clairvoyantOrder, findLeastAgainBytes } from './eviction/clairvoyant.ts';
import { type Outcome, replay } from './eviction/node.ts';
import { baseName, orders, ourName, ourRules } from './eviction/orders.ts';
import { dayMs, totalBytes } from './eviction/trace.ts';
import { makeTrace, type WorkloadName, workloadNames } from './eviction/workloads.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import { formatSpread, toSpread } from './statistics.ts';

export interface EvictionSettings {
  readonly quick: boolean;
}

/** One trace on one disk. */
interface Cell {
  readonly workload: WorkloadName;
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** Below it nobody gets who stays below the critical watermark. */
  readonly leastAgainBytes: number;
}

const ageName = 'Stevedore and the age tier';
const gigabyte = 1e9;
/**
 * Where even LRU pulls less than this of the first pulls again, the disk is big enough, and where something does not fit, an order gains
 * by failing: neither run says anything.
 */
const tellingShare = 0.05;

/** Seeds from 100 on: the order was chosen with those below. */
const firstSeed = 101;

export async function runEviction({ quick }: EvictionSettings): Promise<BenchResult> {
  const seeds = Array.from({ length: quick ? 1 : 5 }, (_, index) => firstSeed + index);
  const diskFactors = quick ? [2, 4] : [1.2, 2, 3, 4];
  const cells: Cell[] = [];
  for (const workload of workloadNames) {
    for (const seed of seeds) {
      const trace = makeTrace(workload, seed);
      for (const factor of diskFactors) cells.push(runCell(workload, trace, totalBytes(trace) / factor));
      // So that a signal gets through.
      await new Promise(setImmediate);
    }
    console.log(`eviction: ${workload} done`);
  }
  const telling = cells.filter((cell) => {
    const base = find(cell.outcomes, baseName);
    return fits(cell) && base.againBytes >= tellingShare * base.firstBytes;
  });
  return report(cells, telling, { quick, seeds, diskFactors, watermarks: ourRules });
}

function runCell(workload: WorkloadName, trace: ReturnType<typeof makeTrace>, diskBytes: number): Cell {
  const outcomes = new Map<string, Outcome>();
  for (const order of [...orders, clairvoyantOrder(trace)]) {
    outcomes.set(order.name, replay(trace, order, { diskBytes }));
    if (order.name === ourName) outcomes.set(ageName, replay(trace, order, { diskBytes, unusedForMs: 7 * dayMs }));
  }
  return { workload, outcomes, leastAgainBytes: findLeastAgainBytes(trace, ourRules.critical * diskBytes) };
}

function report(
  cells: readonly Cell[],
  telling: readonly Cell[],
  settings: Readonly<Record<string, unknown>>,
): BenchResult {
  const names = [...(cells[0]?.outcomes.keys() ?? [])];
  const rows = names.map((name) => {
    const ratios = telling.map((cell) => ratio(cell, name));
    const delays = telling.map(({ outcomes }) => {
      return find(outcomes, name).delayedStarts / Math.max(1, find(outcomes, baseName).delayedStarts);
    });
    const byWorkload = workloadNames.map((workload) => {
      return geometricMean(telling.filter((cell) => cell.workload === workload).map((cell) => ratio(cell, name)));
    });
    return {
      name,
      byWorkload: Object.fromEntries(workloadNames.map((workload, index) => [workload, byWorkload[index]])),
      mean: geometricMean(ratios),
      ratios: toSpread(ratios),
      delayedStarts: toSpread(delays),
      betterShare: ratios.filter((one) => one < 0.995).length / ratios.length,
      worseShare: ratios.filter((one) => one > 1.005).length / ratios.length,
    };
  });
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const short = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(2));
  printTable(
    `Bytes pulled again, by LRU's (geometric means; ${telling.length} of ${cells.length} runs tell something)`,
    ['order', ...workloadNames, 'all', 'median (range)', 'better', 'worse', 'starts that wait'],
    rows.map(({ name, byWorkload, mean, ratios, betterShare, worseShare, delayedStarts }) => [
      name,
      ...workloadNames.map((workload) => short(byWorkload[workload])),
      short(mean),
      formatSpread(ratios),
      percent(betterShare),
      percent(worseShare),
      short(delayedStarts.median),
    ]),
  );

  const totals = workloadNames.map((workload) =>
    toTotals(
      workload,
      cells.filter((cell) => cell.workload === workload && fits(cell)),
    ),
  );
  printTable(
    'GB pulled again, sums of all seeds and disks',
    ['workload', 'first pulls', 'LRU', 'Stevedore', 'clairvoyant', 'bound', 'of the way from LRU to clairvoyant'],
    totals.map(({ workload, first, lru, ours, clairvoyant, least, closed }) => [
      workload,
      ...[first, lru, ours, clairvoyant, least].map((bytes) => (bytes / gigabyte).toFixed(0)),
      percent(closed),
    ]),
  );

  const mean = rows.find(({ name }) => name === ourName)?.mean ?? Number.NaN;
  const verdicts = [toVerdict("eviction: bytes pulled again by LRU's, mean of all", mean, 1)];
  return {
    bench: 'eviction',
    settings,
    verdicts,
    figures: { cells: cells.length, telling: telling.length, rows, totals },
  };
}

function toTotals(workload: WorkloadName, cells: readonly Cell[]) {
  const sum = (of: (cell: Cell) => number): number => cells.reduce((total, cell) => total + of(cell), 0);
  const again = (name: string): number => sum(({ outcomes }) => find(outcomes, name).againBytes);
  const [lru, ours, clairvoyant] = [again(baseName), again(ourName), again(clairvoyantName)];
  return {
    workload,
    first: sum(({ outcomes }) => find(outcomes, baseName).firstBytes),
    lru,
    ours,
    clairvoyant,
    least: sum(({ leastAgainBytes }) => leastAgainBytes),
    closed: (lru - ours) / (lru - clairvoyant),
  };
}

function fits({ outcomes }: Cell): boolean {
  return [...outcomes.values()].every(({ failedPulls }) => failedPulls === 0);
}

function ratio({ outcomes }: Cell, name: string): number {
  return find(outcomes, name).againBytes / find(outcomes, baseName).againBytes;
}

function find(outcomes: ReadonlyMap<string, Outcome>, name: string): Outcome {
  const outcome = outcomes.get(name);
  if (outcome === undefined) throw new RangeError(`no order ${name}`);
  return outcome;
}

/** A thousandth counts for less, so that one run in which nothing is pulled again does not decide alone. */
function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(Math.max(0.001, value)), 0) / values.length);
}
