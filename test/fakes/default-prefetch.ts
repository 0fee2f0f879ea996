import type { PrefetchSettings } from '../../agent/core/configuration.ts';

/** What becomes of a configuration that says nothing of prefetching. */
export const defaultPrefetch: PrefetchSettings = {
  enabled: true,
  dryRun: false,
  concurrency: undefined,
  stallTimeoutMs: 300_000,
  pullTimeoutMs: undefined,
  allow: undefined,
  maxImageSizeBytes: undefined,
  pinBudget: { kind: 'share', ratio: 0.5 },
  maxNodes: undefined,
  spreadOverMs: 0,
  pauseOnDrain: true,
};
