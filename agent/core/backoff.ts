/** How long a failed pull waits: exponential with full jitter for what passes by itself, a long interval for what does not. */

import type { Failure, FailureCode, FailureDetail } from './failure.ts';

interface BackoffClass {
  /** Never sooner than this. */
  readonly floorMs: number;
  /** Upper end of the jitter after the first failure; doubles with each further one. */
  readonly baseMs: number;
  readonly capMs: number;
}

const second = 1_000;
const minute = 60 * second;

/** A server that asks for more than this is asked again all the same. */
const longestRetryAfterMs = 60 * minute;

/**
 * A change of configuration ends every wait at once, and one of credentials ends those after `auth`: the intervals are for changes that
 * nobody tells us.
 */
const classes: Readonly<Record<FailureCode, BackoffClass>> = {
  // Cables, restarts and load balancers: seconds.
  network: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // The server had its time already: the first try again is for a packet that got lost.
  timeout: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // A 5xx while Harbor's core restarts takes seconds, an upstream that is away longer.
  upstream: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // A restart of the runtime takes seconds.
  runtime: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // Nobody knows.
  other: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // Harbor names no time; every try made too early counts against the limit again.
  rate_limited: { floorMs: 5 * second, baseMs: 20 * second, capMs: 10 * minute },
  // Pruning, or somebody, has to make room first.
  no_space: { floorMs: 30 * second, baseMs: minute, capMs: 10 * minute },
  // Wrong passwords may lock an account, and Harbor takes 1.5 s for each.
  auth: { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute },
  // Until somebody pushes.
  not_found: { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute },
  // Until somebody installs a certificate.
  tls: { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute },
  // Until a scan, a signature or the project's policy changes: whoever resolves the image may hear of it sooner.
  policy: { floorMs: 60 * minute, baseMs: 5 * minute, capMs: 10 * minute },
  // Until somebody pushes the other platform too.
  no_platform: { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute },
  // Until somebody raises the limit or deletes.
  quota: { floorMs: 5 * minute, baseMs: 5 * minute, capMs: 10 * minute },
};

/**
 * Of what whoever resolves the image was given: he asks within minutes while a scan runs, and what he finds ends the wait. Doubling up to the hour,
 * for one who does not hear of him.
 */
const givenOutElsewhere: BackoffClass = { floorMs: 2 * minute, baseMs: 2 * minute, capMs: 60 * minute };

/** Where the detail tells more than the code. */
const detailClasses: Readonly<Partial<Record<FailureDetail, BackoffClass>>> = {
  // Harbor's false 404 of a proxy project: over as soon as the upstream answers, at the latest with Harbor's check every 5 min.
  not_found_proxy: { floorMs: 0.5 * second, baseMs: 2 * second, capMs: 5 * minute },
  // Names come back when the resolver does; a name that is wrong is wrong for longer.
  dns: { floorMs: second, baseMs: 4 * second, capMs: 2 * minute },
};

/**
 * Milliseconds to wait after the `failures`-th failure in a row (1 for the first).
 * @param random 0 to 1, as Math.random gives it. What the server asked for (`Retry-After`) is a lower bound.
 * @param isGivenOut whoever resolves the image was not refused it: of a refusal by policy it is then not known that it lasts
 */
export function backoffMs(failure: Failure, failures: number, random: number, isGivenOut = false): number {
  const { code, detail } = failure;
  const own = isGivenOut && detail === 'policy_blocked' ? givenOutElsewhere : undefined;
  const chosen = own ?? (detail === undefined ? undefined : detailClasses[detail]) ?? classes[code];
  const span = Math.min(chosen.capMs, chosen.baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(chosen.floorMs + random * span, Math.min(failure.retryAfterMs ?? 0, longestRetryAfterMs));
}

/** Delay before an image that vanished is pulled again: none the first time, then longer and longer up to 10 minutes. */
export function vanishedBackoffMs(times: number, random: number): number {
  if (times <= 1) return 0;
  return random * Math.min(10 * minute, 10_000 * 2 ** Math.min(times - 2, 30)) + 5_000;
}
