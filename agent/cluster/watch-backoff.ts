import type { WatchTimings } from './watch-loop.ts';

/** A server asks for more patience than this in vain: configuration must not stay unseen for long. */
const longestRetryAfterMs = 120_000;

/** How long a watch that broke, or a list that failed, waits before it begins again. */
export class WatchBackoff {
  readonly #timings: Pick<WatchTimings, 'backoffBaseMs' | 'backoffCapMs' | 'recoveredMs'>;
  readonly #random: () => number;
  #failures = 0;
  #hasExpired = false;

  /** @param random 0 to 1 */
  constructor(
    timings: Pick<WatchTimings, 'backoffBaseMs' | 'backoffCapMs' | 'recoveredMs'>,
    random: () => number = Math.random,
  ) {
    this.#timings = timings;
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  /** A watch lived for so long. */
  watched(livedMs: number): void {
    if (livedMs < this.#timings.recoveredMs) return;
    this.#failures = 0;
    this.#hasExpired = false;
  }

  /** The server answers, and does not know the resourceVersion: what failed before is over, unless it says that all the time. */
  expired(): void {
    if (!this.#hasExpired) this.#failures = 0;
    this.#hasExpired = true;
  }

  /** After one more failure, ms: full jitter, on top of what the server asks for, since it asks all of its clients for the same. */
  nextMs(retryAfterMs = 0): number {
    const { backoffBaseMs, backoffCapMs } = this.#timings;
    this.#failures += 1;
    const span = Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(this.#failures - 1, 20));
    return Math.min(retryAfterMs, longestRetryAfterMs) + this.#random() * span;
  }
}
