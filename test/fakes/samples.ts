import type { Configuration, ImageSet, PrefetchSettings, PruneSettings } from '../../agent/core/configuration.ts';
import { parseCron } from '../../agent/config/cron.ts';
import type { CronSchedule } from '../../agent/core/cron-schedule.ts';
import { normaliseReference } from '../../agent/core/image-reference.ts';
import type { Window } from '../../agent/core/window.ts';
import { defaultCoordinator, defaultWarm } from './default-coordinator.ts';
import { defaultPrefetch } from './default-prefetch.ts';
import { defaultPrune } from './default-prune.ts';

/** An image set that selects every node, with what the test cares about. */
export function sampleSet(name: string, images: readonly string[], more: Partial<ImageSet> = {}): ImageSet {
  return {
    name,
    nodeSelector: { matchLabels: {}, matchExpressions: [] },
    images: images.map(normaliseReference),
    patterns: [],
    credentials: [],
    priority: 0,
    gate: false,
    pullPolicy: 'IfNotPresent',
    refreshEveryMs: 1_800_000,
    window: undefined,
    ...more,
  };
}

export function sampleConfiguration(
  imageSets: readonly ImageSet[],
  prefetch: Partial<PrefetchSettings> = {},
  prune: Partial<PruneSettings> = {},
): Configuration {
  return {
    registries: [],
    credentials: [],
    imageSets,
    prefetch: { ...defaultPrefetch, ...prefetch },
    gate: { deadlineMs: 900_000 },
    coordinator: defaultCoordinator,
    warm: defaultWarm,
    prune: samplePrune(prune),
  };
}

/** The defaults, but without jitter, and by UTC wherever the test runs. */
export function samplePrune(more: Partial<PruneSettings> = {}): PruneSettings {
  return { ...defaultPrune, schedule: { ...defaultPrune.schedule, timeZone: 'UTC' }, jitterMs: 0, ...more };
}

/** @throws Error where `cron` is no cron line */
export function sampleWindow(cron: string, durationMs: number): Window {
  return { cron, schedule: sampleSchedule(cron), durationMs, timeZone: undefined };
}

function sampleSchedule(cron: string): CronSchedule {
  const parsed = parseCron(cron);
  if (!parsed.ok) throw new Error(`not a cron line: ${cron}`);
  return parsed.schedule;
}
