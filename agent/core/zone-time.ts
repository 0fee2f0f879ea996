/** Local time in a time zone, by the platform's own zone data (Intl). Times are epoch milliseconds. */

export const minuteMs = 60_000;
export const dayMs = 86_400_000;

/** A calendar day, as the epoch milliseconds at which it begins in UTC: makes day arithmetic independent of any zone. */
export type Day = number;

/** Where a zone's offset changes: local time is UTC plus `beforeMs` until `at`, plus `afterMs` from then on. */
export interface Transition {
  readonly at: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** The local calendar day that holds `instant`. `timeZone` is an IANA name; undefined: the machine's own. */
export function localDay(instant: number, timeZone: string | undefined): Day {
  return Math.floor((instant + offsetMs(instant, timeZone)) / dayMs) * dayMs;
}

/**
 * The offset change around a calendar day; where there is none, one with equal offsets before and after. Looks a day ahead
 * and back since a zone is up to 14 hours away from UTC, and takes the zone to change once in that time.
 */
export function transitionAround(day: Day, timeZone: string | undefined): Transition {
  let before = day - dayMs;
  let after = day + 2 * dayMs;
  const beforeMs = offsetMs(before, timeZone);
  const afterMs = offsetMs(after, timeZone);
  if (beforeMs === afterMs) return { at: after, beforeMs, afterMs };
  while (after - before > minuteMs) {
    const middle = before + Math.floor((after - before) / 2 / minuteMs) * minuteMs;
    if (offsetMs(middle, timeZone) === beforeMs) before = middle;
    else after = middle;
  }
  return { at: after, beforeMs, afterMs };
}

function offsetMs(instant: number, timeZone: string | undefined): number {
  const parts = new Map<string, number>();
  for (const { type, value } of formatterOf(timeZone).formatToParts(instant)) parts.set(type, Number(value));
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return local - Math.floor(instant / 1000) * 1000;
}

function formatterOf(timeZone: string | undefined): Intl.DateTimeFormat {
  const key = timeZone ?? '';
  const known = formatters.get(key);
  if (known !== undefined) return known;
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(key, formatter);
  return formatter;
}
