/** How many Events a node may make: they are for people, and each costs the API server a write and its store an hour of space. */

/** So many at once, and then so many in a time. Times are milliseconds on whatever clock the caller has; one that runs back costs nothing. */
export class TokenBucket {
  readonly #capacityMs: number;
  readonly #refillMs: number;
  /** Time saved up: each that is taken costs `refillMs` of it. */
  #savedMs: number;
  #countedAt: number | undefined;

  /** @param refillMs until one more may be taken */
  constructor(capacity: number, refillMs: number) {
    this.#capacityMs = capacity * refillMs;
    this.#refillMs = refillMs;
    this.#savedMs = this.#capacityMs;
  }

  take(now: number): boolean {
    if (this.readyAt(now) > now) return false;
    this.#savedMs -= this.#refillMs;
    return true;
  }

  /** When the next one may be taken; `now` where it may at once. */
  readyAt(now: number): number {
    const passedMs = Math.max(0, now - (this.#countedAt ?? now));
    this.#savedMs = Math.min(this.#capacityMs, this.#savedMs + passedMs);
    this.#countedAt = now;
    return now + Math.max(0, this.#refillMs - this.#savedMs);
  }
}

const burst = 25;
const refillMs = 60_000;
const quietMs = 10 * 60_000;

/** One Event for each reason and subject in 10 minutes, so that a set that flaps fills no log; and 25 at once, then one a minute, over all. */
export class EventBudget {
  readonly #bucket = new TokenBucket(burst, refillMs);
  readonly #toldAt = new Map<string, number>();

  take(reason: string, subject: string, now: number): 'taken' | 'repeated' | 'too_many' {
    for (const [key, at] of this.#toldAt) if (now - at >= quietMs || at > now) this.#toldAt.delete(key);
    const key = `${reason} ${subject}`;
    if (this.#toldAt.has(key)) return 'repeated';
    if (!this.#bucket.take(now)) return 'too_many';
    this.#toldAt.set(key, now);
    return 'taken';
  }
}
