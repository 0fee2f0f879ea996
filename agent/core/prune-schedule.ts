/** When this node prunes by age. Pure. */

import { createHash } from 'node:crypto';
import type { PruneSettings } from './configuration.ts';
import { lastFiring, nextFiring } from './cron-schedule.ts';

/** A line that fires once a year is looked back for no longer. */
const longestLookBackMs = 400 * 86_400_000;

/** A last run that lies further ahead than this was noted by a clock that was wrong. */
const farAheadMs = 86_400_000;

/** This node's own delay after a firing, the same at each: a fleet must not delete in step. */
export function toJitterMs(nodeName: string, jitterMs: number): number {
  if (jitterMs <= 0) return 0;
  const hash = createHash('sha256').update(nodeName).digest().readUInt32BE(0);
  return Math.floor((hash / 2 ** 32) * jitterMs);
}

/**
 * Whether a firing has passed since the last run: also one that nobody was there for, and always where the clock has been set back by more than a day. The times that it is told are epoch ms.
 * @param since the last run, or where there was none, when the agent was first started on this node
 */
export function isAgeRunDue(
  { schedule, jitterMs }: Pick<PruneSettings, 'schedule' | 'jitterMs'>,
  nodeName: string,
  since: number,
  now: number,
): boolean {
  if (since > now + farAheadMs) return true;
  const delayMs = toJitterMs(nodeName, jitterMs);
  const after = Math.max(since, now - longestLookBackMs) - delayMs;
  return lastFiring(schedule.schedule, schedule.timeZone, now - delayMs, after) !== undefined;
}

/** The next run after `now`, epoch ms; undefined where the line never fires. */
export function nextAgeRunAt(
  { schedule, jitterMs }: Pick<PruneSettings, 'schedule' | 'jitterMs'>,
  nodeName: string,
  now: number,
): number | undefined {
  const delayMs = toJitterMs(nodeName, jitterMs);
  const firing = nextFiring(schedule.schedule, schedule.timeZone, now - delayMs);
  return firing === undefined ? undefined : firing + delayMs;
}
