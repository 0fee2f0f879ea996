/** The options of the coordinator and of warming. */

import * as z from 'zod';
import { type CoordinatorSettings, type WarmSettings, warmMethods } from '../core/configuration.ts';
import * as field from './fields.ts';

const secondMs = 1000;
const dayMs = 86_400_000;
const halfAnHourMs = 1_800_000;

export const coordinator = z
  .strictObject({
    enabled: z.boolean().default(true),
    interval: field.duration(10 * secondMs, dayMs).default(halfAnHourMs),
    keepAlive: z.boolean().default(false),
  })
  .transform(
    ({ enabled, interval: intervalMs, keepAlive }): CoordinatorSettings => ({ enabled, intervalMs, keepAlive }),
  );

export const warm = z
  .strictObject({
    enabled: z.boolean().default(true),
    method: z.enum(warmMethods).default('abort'),
    maxParallel: field.wholeNumber(1, 16).default(2),
    maxPerMinute: field.wholeNumber(1, 10_000).optional(),
    deadline: field.duration(10 * secondMs, dayMs).default(halfAnHourMs),
  })
  .transform(
    ({ deadline: deadlineMs, maxPerMinute, ...value }): WarmSettings => ({ ...value, maxPerMinute, deadlineMs }),
  );
