/** How long a failed pull waits: exponential with full jitter for what passes by itself, a long interval for what does not. */

import type { Failure, FailureCode } from './failure.ts';

interface BackoffClass {
  /** Never sooner than this. */
  readonly floorMs: number;
  /** Upper end of the jitter after the first failure; doubles with each further one. */
  readonly baseMs: number;
  readonly capMs: number;
}

const minute = 60_000;
const transient: BackoffClass = { floorMs: 500, baseMs: 2_000, capMs: 5 * minute };
/** A change of configuration or credentials ends it at once; the interval is for changes that nobody tells us. */
const permanent: BackoffClass = { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute };

/** A server that asks for more than this is asked again all the same. */
const longestRetryAfterMs = 60 * minute;

const classes: Readonly<Record<FailureCode, BackoffClass>> = {
  network: transient,
  timeout: transient,
  upstream: transient,
  runtime: transient,
  other: transient,
  rate_limited: { floorMs: 5_000, baseMs: 20_000, capMs: 10 * minute },
  no_space: { floorMs: 30_000, baseMs: minute, capMs: 10 * minute },
  auth: permanent,
  not_found: permanent,
  tls: permanent,
  policy: permanent,
  no_platform: permanent,
  quota: permanent,
};

/**
 * Milliseconds to wait after the `failures`-th failure in a row (1 for the first).
 * @param random 0 to 1, as Math.random gives it. What the server asked for (`Retry-After`) is a lower bound.
 */
export function backoffMs(failure: Failure, failures: number, random: number): number {
  // Harbor's false 404 of a proxy project passes by itself although the code is not_found.
  const chosen = failure.retryable
    ? classes[failure.code] === permanent
      ? transient
      : classes[failure.code]
    : permanent;
  const span = Math.min(chosen.capMs, chosen.baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(chosen.floorMs + random * span, Math.min(failure.retryAfterMs ?? 0, longestRetryAfterMs));
}

/** Delay before an image that vanished is pulled again: none the first time, then longer and longer up to 10 minutes. */
export function vanishedBackoffMs(times: number, random: number): number {
  if (times <= 1) return 0;
  return random * Math.min(10 * minute, 10_000 * 2 ** Math.min(times - 2, 30)) + 5_000;
}
