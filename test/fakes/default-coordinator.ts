import type { CoordinatorSettings, WarmSettings } from '../../agent/core/configuration.ts';

/** What becomes of a configuration that says nothing of coordinating. */
export const defaultCoordinator: CoordinatorSettings = { enabled: true, intervalMs: 1_800_000, keepAlive: false };

/** What becomes of a configuration that says nothing of warming. */
export const defaultWarm: WarmSettings = {
  enabled: true,
  method: 'abort',
  maxParallel: 2,
  maxPerMinute: undefined,
  deadlineMs: 1_800_000,
};
