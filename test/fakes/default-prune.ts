import type { PruneSettings } from '../../agent/core/configuration.ts';

const hourMs = 3_600_000;
const off = (unusedForMs: number) => ({ enabled: false, unusedForMs });
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** What becomes of a configuration that says nothing of pruning. */
export const defaultPrune: PruneSettings = {
  enabled: true,
  dryRun: false,
  schedule: {
    cron: '0 2 * * *',
    schedule: {
      minutes: [0],
      hours: [2],
      daysOfMonth: upTo(1, 31),
      months: upTo(1, 12),
      daysOfWeek: upTo(0, 6),
    },
    timeZone: undefined,
  },
  jitterMs: hourMs / 2,
  unusedForMs: 168 * hourMs,
  minimumAgeMs: hourMs,
  spaceGraceMs: 24 * hourMs,
  watermarks: {
    low: { kind: 'used', ratio: 0.65 },
    high: { kind: 'used', ratio: 0.75 },
    critical: { kind: 'used', ratio: 0.82 },
  },
  keep: [],
  keepNewestPerRepository: 0,
  leftovers: {
    stopped_container: off(168 * hourMs),
    build_cache: off(168 * hourMs),
    network: off(168 * hourMs),
    volume: off(168 * hourMs),
    ingest: off(24 * hourMs),
    snapshot: off(168 * hourMs),
    lease: off(24 * hourMs),
  },
};
