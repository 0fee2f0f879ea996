import { untilAborted } from '../core/abort.ts';
import type { WarmSettings } from '../core/configuration.ts';

interface Waiting {
  readonly sizeBytes: number;
  readonly start: () => void;
}

const minuteMs = 60_000;

/** So many at once and per minute; the smallest of those that wait comes first, of equals the one that came first. */
export class Places {
  readonly #settings: () => Pick<WarmSettings, 'maxParallel' | 'maxPerMinute'>;
  readonly #waiting = new Set<Waiting>();
  #taken = 0;
  /** When those of the last minute were begun, monotonic ms. */
  #begun: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: () => Pick<WarmSettings, 'maxParallel' | 'maxPerMinute'>) {
    this.#settings = settings;
  }

  /** Runs the work once a place is free. */
  async run<Result>(sizeBytes: number, work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#place(sizeBytes, signal);
    try {
      return await work();
    } finally {
      this.#taken -= 1;
      this.#pump();
    }
  }

  async #place(sizeBytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isPlaced = false;
    const waiting = {
      sizeBytes,
      start: () => {
        isPlaced = true;
        resolve();
      },
    };
    this.#waiting.add(waiting);
    this.#pump();
    try {
      await untilAborted(promise, signal);
    } catch (error) {
      this.#waiting.delete(waiting);
      if (isPlaced) {
        this.#taken -= 1;
        this.#pump();
      }
      throw error;
    }
  }

  #pump(): void {
    clearTimeout(this.#timer);
    const { maxParallel, maxPerMinute } = this.#settings();
    while (this.#taken < maxParallel && this.#waiting.size > 0) {
      const now = performance.now();
      this.#begun = this.#begun.filter((at) => now - at < minuteMs);
      const [first = now] = this.#begun;
      if (maxPerMinute !== undefined && this.#begun.length >= maxPerMinute) {
        this.#timer = setTimeout(() => this.#pump(), first + minuteMs - now);
        return;
      }
      let next: Waiting | undefined;
      for (const one of this.#waiting) if (next === undefined || one.sizeBytes < next.sizeBytes) next = one;
      if (next === undefined) return;
      this.#waiting.delete(next);
      this.#taken += 1;
      this.#begun.push(now);
      next.start();
    }
  }
}
