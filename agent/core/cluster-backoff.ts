import type { Failure } from './failure.ts';

const minute = 60_000;
const floorMs = 500;
const baseMs = 2_000;
const capMs = minute;
/** Somebody has to change the rights first, and nobody tells us when. */
const forbiddenMs = 5 * minute;
const longestRetryAfterMs = 10 * minute;

/**
 * Milliseconds until a write that the API server did not take is tried again, after `failures` in a row (1 for the first): full jitter, up to a
 * minute; after a refusal by RBAC or an admission policy 5 to 6 minutes. What the server asked for (`Retry-After`) is a lower bound.
 * @param random 0 to 1, as Math.random gives it
 */
export function clusterBackoffMs(failure: Failure, failures: number, random: number): number {
  if (failure.detail === 'forbidden') return forbiddenMs + random * minute;
  const span = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(floorMs + random * span, Math.min(failure.retryAfterMs ?? 0, longestRetryAfterMs));
}
