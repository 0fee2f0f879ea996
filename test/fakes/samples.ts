import type { Configuration, ImageSet, PrefetchSettings } from '../../agent/core/configuration.ts';
import { parseCron } from '../../agent/config/cron.ts';
import { normaliseReference } from '../../agent/core/image-reference.ts';
import type { Window } from '../../agent/core/window.ts';

/** An image set that selects every node, with what the test cares about. */
export function sampleSet(name: string, images: readonly string[], more: Partial<ImageSet> = {}): ImageSet {
  return {
    name,
    nodeSelector: { matchLabels: {}, matchExpressions: [] },
    images: images.map(normaliseReference),
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
): Configuration {
  return {
    registries: [],
    credentials: [],
    imageSets,
    prefetch: {
      enabled: true,
      dryRun: false,
      concurrency: undefined,
      stallTimeoutMs: 300_000,
      pullTimeoutMs: undefined,
      allow: undefined,
      maxImageSizeBytes: undefined,
      ...prefetch,
    },
    prune: { watermarks: { high: { kind: 'used', ratio: 0.75 } } },
  };
}

/** @throws Error where `cron` is no cron line */
export function sampleWindow(cron: string, durationMs: number): Window {
  const parsed = parseCron(cron);
  if (!parsed.ok) throw new Error(`not a cron line: ${cron}`);
  return { cron, schedule: parsed.schedule, durationMs, timeZone: undefined };
}
