import type { Configuration, ImageSet, PrefetchSettings } from '../../agent/core/configuration.ts';
import { normaliseReference } from '../../agent/core/image-reference.ts';

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
