/** How evenly those who waited were served. Pure. */

import { percentile, type Spread, toSpread } from '../statistics.ts';

export interface Fairness {
  readonly waitSeconds: Spread;
  readonly p95: number;
  /** 1: all waited equally long; 1/n: one waited for all. */
  readonly jain: number;
  readonly longestByMedian: number;
}

export function toFairness(waits: readonly number[]): Fairness {
  const spread = toSpread(waits);
  return {
    waitSeconds: spread,
    p95: percentile(waits, 95),
    jain: toJainIndex(waits),
    longestByMedian: spread.max / spread.median,
  };
}

/** Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination", 1984. */
export function toJainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}

/** When nobody wastes a moment: `atOnce` begin, and as soon as they are done the next. */
export function toIdealWaits(nodes: number, atOnce: number, pullSeconds: number): number[] {
  return Array.from({ length: nodes }, (_, index) => Math.floor(index / atOnce) * pullSeconds);
}
