/** Reads cron lines with node-cron; nothing is scheduled here. */

import { type ParsedFields, validateDetailed } from 'node-cron';
import type { CronSchedule } from '../core/cron-schedule.ts';

export type ParsedCron =
  | { readonly ok: true; readonly schedule: CronSchedule }
  | { readonly ok: false; readonly rule: string };

/** A line of five fields, or a nickname such as `@daily`. */
export function parseCron(line: string): ParsedCron {
  const text = line.trim();
  const fieldCount = text.split(/\s+/).length;
  if (!text.startsWith('@') && fieldCount !== 5) {
    const seconds = fieldCount === 6 ? ': there is no field for seconds' : '';
    return {
      ok: false,
      rule: `a cron line has 5 fields (minute, hour, day of month, month, day of week), not ${fieldCount}${seconds}`,
    };
  }
  const { fields, errors } = validateDetailed(text);
  if (fields === undefined) {
    return { ok: false, rule: `not a cron line: ${errors.map(({ message }) => message).join(', ')}` };
  }
  return toSchedule(fields);
}

function toSchedule(fields: ParsedFields): ParsedCron {
  const special = [...fields.dayOfMonth, ...fields.dayOfWeek].find((day) => typeof day !== 'number');
  if (special !== undefined) return { ok: false, rule: `${special} cannot be used here: L, W and # are not supported` };
  return {
    ok: true,
    schedule: {
      minutes: ascending(fields.minute),
      hours: ascending(fields.hour),
      daysOfMonth: ascending(fields.dayOfMonth),
      months: ascending(fields.month),
      daysOfWeek: ascending(fields.dayOfWeek),
    },
  };
}

function ascending(values: readonly (number | string)[]): readonly number[] {
  return [...new Set(values.map(Number))].sort((a, b) => a - b);
}
