/** The options of `prune`. */

import * as z from 'zod';
import type { LeftoverRule, PruneSettings } from '../core/configuration.ts';
import * as field from './fields.ts';
import { defaultWatermarks, findWatermarkFaults, type Watermarks, type WrittenWatermarks } from './watermark-rules.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Long enough for whatever is meant to be kept "for ever", and short enough to be exact in milliseconds. */
const longestAgeMs = 3660 * dayMs;

const age = field.duration(0, longestAgeMs);
const week = '168h';
/** Downloads and the leases that hold them are short-lived: what nobody went on with for a day is abandoned. */
const day = '24h';

const watermarks = z
  .strictObject({
    low: field.watermark.optional(),
    high: field.watermark.optional(),
    critical: field.watermark.optional(),
  })
  .superRefine((value, context) => {
    for (const { level, rule } of findWatermarkFaults(toWritten(value))) {
      context.addIssue({ code: 'custom', path: [level], message: rule });
    }
  }, field.always)
  .transform(
    ({ low, high, critical }): Watermarks => ({
      low: low ?? defaultWatermarks.low,
      high: high ?? defaultWatermarks.high,
      critical: critical ?? defaultWatermarks.critical,
    }),
  );

/** Also of a map that has mistakes: what is no watermark there is known by having no kind. */
function toWritten(value: unknown): WrittenWatermarks {
  const written = (level: string) => {
    const one: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, level) : null;
    if (one === undefined) return 'absent';
    return typeof one === 'object' && one !== null && 'kind' in one ? (one as Watermarks['low']) : 'invalid';
  };
  return { low: written('low'), high: written('high'), critical: written('critical') };
}

function leftover(unusedFor: string) {
  return z
    .strictObject({ enabled: z.boolean().default(false), unusedFor: age.prefault(unusedFor) })
    .transform(({ enabled, unusedFor: unusedForMs }): LeftoverRule => ({ enabled, unusedForMs }))
    .prefault({});
}

export const prune = z
  .strictObject({
    enabled: z.boolean().default(true),
    dryRun: z.boolean().default(false),
    schedule: field.cronLine.prefault('0 2 * * *'),
    timeZone: field.timeZone.optional(),
    jitter: field.duration(0, dayMs).prefault('30m'),
    unusedFor: age.prefault(week),
    minimumAge: age.prefault('1h'),
    spaceGrace: age.prefault('24h'),
    watermarks: watermarks.prefault({}),
    keep: z.array(field.keepRule).default([]),
    keepNewestPerRepository: field.wholeNumber(0).default(0),
    docker: z
      .strictObject({
        stoppedContainers: leftover(week),
        buildCache: leftover(week),
        networks: leftover(week),
        volumes: leftover(week),
      })
      .prefault({}),
    containerd: z
      .strictObject({ ingests: leftover(day), snapshots: leftover(week), leases: leftover(day) })
      .prefault({}),
  })
  .transform(
    ({ enabled, dryRun, schedule, timeZone, watermarks, keep, keepNewestPerRepository, ...value }): PruneSettings => ({
      enabled,
      dryRun,
      schedule: { ...schedule, timeZone },
      jitterMs: value.jitter,
      unusedForMs: value.unusedFor,
      minimumAgeMs: value.minimumAge,
      spaceGraceMs: value.spaceGrace,
      watermarks,
      keep,
      keepNewestPerRepository,
      leftovers: {
        stopped_container: value.docker.stoppedContainers,
        build_cache: value.docker.buildCache,
        network: value.docker.networks,
        volume: value.docker.volumes,
        ingest: value.containerd.ingests,
        snapshot: value.containerd.snapshots,
        lease: value.containerd.leases,
      },
    }),
  );
