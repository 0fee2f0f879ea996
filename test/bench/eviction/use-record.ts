/** What the orders want to know of an image's past on the node. Ours needs no more than `knownSince` and `lastUsedAt`. */

import { dayMs } from './trace.ts';

/** After which time a use counts half in the decayed count. */
const halfLifeMs = 7 * dayMs;

export class UseRecord {
  readonly image: number;
  readonly knownSince: number;
  lastUsedAt: number;
  started = false;
  /** Uses, at most one each day: a job that is tried ten times in an hour is one use. */
  days = 0;
  #decayed = 0;
  #countedAt: number;

  constructor(image: number, now: number) {
    this.image = image;
    this.knownSince = now;
    this.lastUsedAt = now;
    this.#countedAt = now;
  }

  use(now: number): void {
    this.lastUsedAt = now;
    if (this.started && now - this.#countedAt < dayMs) return;
    this.#decayed = this.decayedUses(now) + 1;
    this.#countedAt = now;
    this.started = true;
    this.days += 1;
  }

  decayedUses(now: number): number {
    return this.#decayed * 2 ** ((this.#countedAt - now) / halfLifeMs);
  }
}
