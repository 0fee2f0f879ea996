/** How much has to be free, in which order the tiers ask for it, and what each may take. Pure. */

import type { ImageFilesystem } from './node-images.ts';
import type { RemoveReason } from './prune-plan.ts';
import type { LastUse } from './usage.ts';
import { availAtWatermark, filesFreeAtWatermark, type Watermark } from './watermark.ts';

export interface PrunePolicy {
  /** Age tier: what is unused for this long goes. */
  readonly unusedForMs: number;
  /** Space tier: what was used within this time stays. */
  readonly spaceGraceMs: number;
  readonly watermarks: { readonly low: Watermark; readonly high: Watermark; readonly critical: Watermark };
}

/** What a run is for. */
export interface PruneRequest {
  /** Remove what is unused for longer than the age. */
  readonly age: boolean;
  /**
   * `watermarks`: above high down to low; above critical, without grace, down to high. By hand: `space` down to low, also from below high,
   * and `critical` the same without grace.
   */
  readonly space: 'none' | 'watermarks' | 'space' | 'critical';
  /** Bytes to make room for below the high watermark, for a pull; 0: none. */
  readonly needBytes: number;
  /** By hand: until so many bytes are free, in place of the watermarks. */
  readonly untilFreeBytes: number | undefined;
}

/**
 * One step of a run: takes what it may, in order, until so much is free. Absolute, so that it stays the same while the run frees space: a
 * run that began above high goes on down to low.
 */
export interface PruneGoal {
  /** Infinity: whatever it may take goes. */
  readonly availBytes: number;
  readonly filesFree: number;
  readonly reason: RemoveReason;
  readonly mayTake: (lastUse: LastUse) => boolean;
}

/** Gentlest first. Without a filesystem nothing goes for space. */
export function toGoals(
  filesystem: ImageFilesystem | undefined,
  policy: PrunePolicy,
  { age, space, needBytes, untilFreeBytes }: PruneRequest,
): PruneGoal[] {
  const goals: PruneGoal[] = [];
  const add = (reason: RemoveReason, mayTake: PruneGoal['mayTake'], availBytes: number, filesFree = 0): void => {
    goals.push({ reason, mayTake, availBytes, filesFree });
  };
  if (age && (untilFreeBytes === undefined || filesystem !== undefined)) {
    add('age', ({ unusedForMs }) => unusedForMs >= policy.unusedForMs, untilFreeBytes ?? Number.POSITIVE_INFINITY);
  }
  if (filesystem === undefined) return goals;
  const { low, high, critical } = policy.watermarks;
  const bytesAt = (mark: Watermark): number => availAtWatermark(filesystem, mark);
  const filesAt = (mark: Watermark): number => filesFreeAtWatermark(filesystem, mark);
  const afterGrace = ({ unusedForMs }: LastUse): boolean => unusedForMs >= policy.spaceGraceMs;
  const always = (): boolean => true;
  if (needBytes > 0) add('space', afterGrace, bytesAt(high) + needBytes);
  if (space === 'none') return goals;
  if (untilFreeBytes !== undefined) {
    add('manual', space === 'critical' ? always : afterGrace, untilFreeBytes);
    return goals;
  }
  if (space === 'space' || space === 'critical') {
    add('space', afterGrace, bytesAt(low), filesAt(low));
    if (space === 'critical') add('critical', always, bytesAt(low), filesAt(low));
    return goals;
  }
  const isAbove = (mark: Watermark) => ({
    bytes: filesystem.availBytes < bytesAt(mark),
    files: filesystem.filesFree < filesAt(mark),
  });
  const aboveHigh = isAbove(high);
  if (aboveHigh.bytes || aboveHigh.files) {
    add('space', afterGrace, aboveHigh.bytes ? bytesAt(low) : 0, aboveHigh.files ? filesAt(low) : 0);
  }
  const aboveCritical = isAbove(critical);
  if (aboveCritical.bytes || aboveCritical.files) {
    add('critical', always, aboveCritical.bytes ? bytesAt(high) : 0, aboveCritical.files ? filesAt(high) : 0);
  }
  return goals;
}

/** Whether the filesystem stands above a watermark, in bytes or in inodes. */
export function isAboveWatermark(filesystem: ImageFilesystem, watermark: Watermark): boolean {
  return (
    filesystem.availBytes < availAtWatermark(filesystem, watermark) ||
    filesystem.filesFree < filesFreeAtWatermark(filesystem, watermark)
  );
}
