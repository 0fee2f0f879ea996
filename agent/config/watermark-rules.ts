/** What the three watermarks must be to each other. */

import { formatPercentage, formatSize } from '../core/units.ts';
import type { Watermark } from '../core/watermark.ts';

const levels = ['low', 'high', 'critical'] as const;
type Level = (typeof levels)[number];

export type Watermarks = Readonly<Record<Level, Watermark>>;

/** As written; `invalid`: what is written is no watermark. */
export type WrittenWatermarks = Readonly<Record<Level, Watermark | 'absent' | 'invalid'>>;

export interface WatermarkFault {
  readonly level: Level;
  readonly rule: string;
}

/** All below the 85 % at which the kubelet begins to collect images and to evict pods, unless it is told otherwise. */
export const defaultWatermarks: Watermarks = {
  low: { kind: 'used', ratio: 0.65 },
  high: { kind: 'used', ratio: 0.75 },
  critical: { kind: 'used', ratio: 0.82 },
};

/** What is wrong with them together, where each is right by itself. */
export function findWatermarkFaults(written: WrittenWatermarks): readonly WatermarkFault[] {
  const pairs = [
    ['low', 'high'],
    ['high', 'critical'],
  ] as const;
  return [...findMixedKinds(written), ...pairs.flatMap(([lower, upper]) => findDisorder(written, lower, upper))];
}

/** Told at the first that is free space: percentages are what the others are by default. */
function findMixedKinds(written: WrittenWatermarks): readonly WatermarkFault[] {
  const kindOf = (level: Level) => inForce(written, level)?.kind;
  const level = levels.find((one) => kindOf(one) === 'free');
  const others = levels.filter((one) => kindOf(one) === 'used');
  if (level === undefined || others.length === 0) return [];
  const free = levels.map((one) => writtenNumber(written, one, 'free'));
  const are = others.map((one) => `${one} is ${describe(written, one)}`).join(' and ');
  const write = toExample('free', free) ?? 'with most free space at low and least at critical';
  return [{ level, rule: `all watermarks must be of one kind, but ${are}: write all three as free space, ${write}` }];
}

function findDisorder(written: WrittenWatermarks, lower: Level, upper: Level): readonly WatermarkFault[] {
  const below = inForce(written, lower);
  const above = inForce(written, upper);
  if (below === undefined || above === undefined || below.kind !== above.kind || isAbove(above, below)) return [];
  const level = written[upper] === 'absent' ? lower : upper;
  const other = level === upper ? lower : upper;
  const sides = { used: ['above', 'below'], free: ['less free space than', 'more free space than'] } as const;
  const side = sides[below.kind][level === upper ? 0 : 1];
  const used = levels.map((one) => writtenNumber(written, one, 'used'));
  const example = written[other] === 'absent' ? toExample('used', used) : undefined;
  const write = example === undefined ? '' : `: write all three, ${example}`;
  return [{ level, rule: `must be ${side} ${other}, which is ${describe(written, other)}${write}` }];
}

/** Undefined where what is written is no watermark: nothing can be said of it then. */
function inForce(written: WrittenWatermarks, level: Level): Watermark | undefined {
  const watermark = written[level];
  if (watermark === 'invalid') return undefined;
  return watermark === 'absent' ? defaultWatermarks[level] : watermark;
}

/** Whether a level is reached only when the disk is fuller than at the other. */
function isAbove(upper: Watermark, lower: Watermark): boolean {
  return upper.kind === 'used' ? toNumber(upper) > toNumber(lower) : toNumber(upper) < toNumber(lower);
}

function writtenNumber(written: WrittenWatermarks, level: Level, kind: Watermark['kind']): number | undefined {
  const watermark = written[level];
  return typeof watermark === 'object' && watermark.kind === kind ? toNumber(watermark) : undefined;
}

function toNumber(watermark: Watermark): number {
  return watermark.kind === 'used' ? watermark.ratio : watermark.bytes;
}

function describe(written: WrittenWatermarks, level: Level): string {
  const watermark = inForce(written, level);
  if (watermark === undefined) return 'unknown';
  const text = watermark.kind === 'used' ? formatPercentage(watermark.ratio) : formatSize(watermark.bytes);
  return written[level] === 'absent' ? `${text} by default` : text;
}

/** All three around those that were written, ready to be copied; undefined where those contradict each other. */
function toExample(
  kind: Watermark['kind'],
  [low, high, critical]: readonly (number | undefined)[],
): string | undefined {
  const all = kind === 'used' ? fillRatios(low, high, critical) : fillBytes(low, high, critical);
  const inOrder = kind === 'used' ? all[0] < all[1] && all[1] < all[2] : all[0] > all[1] && all[1] > all[2];
  const format = kind === 'used' ? formatPercentage : formatSize;
  return inOrder
    ? `such as { low: ${format(all[0])}, high: ${format(all[1])}, critical: ${format(all[2])} }`
    : undefined;
}

type Three = readonly [number, number, number];

function fillRatios(low: number | undefined, high: number | undefined, critical: number | undefined): Three {
  const down = (from: number, step: number): number => from - Math.min(step, from / 2);
  const up = (from: number, step: number): number => from + Math.min(step, (1 - from) / 2);
  const between = low === undefined || critical === undefined ? undefined : (low + critical) / 2;
  const middle = high ?? between ?? (low === undefined ? down(critical ?? 1, 0.07) : up(low, 0.1));
  return [low ?? down(middle, 0.1), middle, critical ?? up(middle, 0.07)];
}

function fillBytes(low: number | undefined, high: number | undefined, critical: number | undefined): Three {
  const between = low === undefined || critical === undefined ? undefined : toRoundSize((low + critical) / 2);
  const middle = high ?? between ?? toRoundSize(low === undefined ? (critical ?? 1) * 2 : low / 2);
  return [low ?? toRoundSize(middle * 1.5), middle, critical ?? toRoundSize(middle / 2)];
}

/** A third of 40Gi has more digits than anybody wants to copy. */
function toRoundSize(sizeBytes: number): number {
  const whole = Math.round(sizeBytes);
  return formatSize(whole).length <= 6 ? whole : Math.max(1, Math.round(whole / 2 ** 20)) * 2 ** 20;
}
