/**
 * When a cron line fires. Minute, hour, day of month, month and day of week must all match, as node-cron reads a line.
 *
 * Where a clock change skips or repeats local time, a line that names hours fires once, as Debian's cron does it: at the end
 * of the gap, and in the first of two equal hours. A line that fires in every hour follows real time through both.
 */

import { type Day, dayMs, localDay, minuteMs, transitionAround } from './zone-time.ts';

/** A parsed cron line; every list ascending. */
export interface CronSchedule {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  /** 0 is Sunday. */
  readonly daysOfWeek: readonly number[];
}

/** 29 February on a given day of the week comes back within 40 years, also across a century without one. */
const longestSearchDays = 366 * 40;

/** The first firing after `instant`, epoch milliseconds; undefined where the line never fires. */
export function nextFiring(schedule: CronSchedule, timeZone: string | undefined, instant: number): number | undefined {
  const first = localDay(instant, timeZone);
  for (let day = first; day <= first + longestSearchDays * dayMs; day += dayMs) {
    if (!firesOn(schedule, day)) continue;
    const next = firingsOf(schedule, timeZone, day).find((firing) => firing > instant);
    if (next !== undefined) return next;
  }
  return undefined;
}

/** The last firing at or before `instant` that is later than `after`; both epoch milliseconds. */
export function lastFiring(
  schedule: CronSchedule,
  timeZone: string | undefined,
  instant: number,
  after: number,
): number | undefined {
  for (let day = localDay(instant, timeZone); day + 2 * dayMs > after; day -= dayMs) {
    if (!firesOn(schedule, day)) continue;
    const last = firingsOf(schedule, timeZone, day).findLast((firing) => firing <= instant);
    if (last !== undefined) return last > after ? last : undefined;
  }
  return undefined;
}

function firesOn(schedule: CronSchedule, day: Day): boolean {
  const date = new Date(day);
  return (
    schedule.months.includes(date.getUTCMonth() + 1) &&
    schedule.daysOfMonth.includes(date.getUTCDate()) &&
    schedule.daysOfWeek.includes(date.getUTCDay())
  );
}

/** Ascending. */
function firingsOf(schedule: CronSchedule, timeZone: string | undefined, day: Day): readonly number[] {
  const { at, beforeMs, afterMs } = transitionAround(day, timeZone);
  const everyHour = schedule.hours.length === 24;
  const firings = new Set<number>();
  for (const hour of schedule.hours) {
    for (const minute of schedule.minutes) {
      const local = day + (hour * 60 + minute) * minuteMs;
      const early = local - beforeMs < at ? local - beforeMs : undefined;
      const late = local - afterMs >= at ? local - afterMs : undefined;
      if (early !== undefined) firings.add(early);
      if (late !== undefined && (early === undefined || everyHour)) firings.add(late);
      if (early === undefined && late === undefined && !everyHour) firings.add(at);
    }
  }
  return beforeMs === afterMs ? [...firings] : [...firings].sort((a, b) => a - b);
}
