import { Failure } from '../core/failure.ts';
import { sleep } from '../core/sleep.ts';
import type { ResolvedFailure } from '../core/resolution.ts';
import type { Random } from './parts.ts';
import type { WarmOrder } from './warm-events.ts';
import type { Warmer } from './warmer.ts';

/** What Harbor holds and does not give out. */
export interface RefusedChild {
  /** Repository and digest. */
  readonly key: string;
  readonly order: Pick<WarmOrder, 'reference' | 'credentials'>;
  readonly child: { readonly platform: string; readonly digest: string };
}

export interface ScanWatchParts {
  readonly warmer: Pick<Warmer, 'findRefusal' | 'isScanPending'>;
  /** What Harbor says now; undefined: it gives it out. */
  readonly onAnswer: (key: string, refusal: ResolvedFailure | undefined) => void;
  readonly random: Random;
}

const askEveryMs = 60_000;
/** A scan that takes longer is seen by the rounds. */
const watchedForMs = 600_000;

/** Of what is refused because its scan is not over: asks soon whether it is, and then once for the manifest. */
export class ScanWatch {
  readonly #parts: ScanWatchParts;
  readonly #watched = new Map<string, AbortController>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(parts: ScanWatchParts) {
    this.#parts = parts;
  }

  /** @param refused all that is so now: each is watched once, from when it first is */
  update(refused: readonly RefusedChild[], signal: AbortSignal): void {
    const keys = new Set(refused.map(({ key }) => key));
    for (const [key, end] of this.#watched) {
      if (keys.has(key)) continue;
      end.abort();
      this.#watched.delete(key);
    }
    for (const one of refused) {
      if (this.#watched.has(one.key)) continue;
      const end = new AbortController();
      this.#watched.set(one.key, end);
      const task = this.#watch(one, AbortSignal.any([signal, end.signal])).finally(() => this.#tasks.delete(task));
      this.#tasks.add(task);
    }
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  async #watch(refused: RefusedChild, signal: AbortSignal): Promise<void> {
    const until = performance.now() + watchedForMs;
    while (!signal.aborted && !(await this.#isAnswered(refused, signal)) && performance.now() < until) {
      await sleep((0.75 + 0.5 * this.#parts.random()) * askEveryMs, signal);
    }
  }

  async #isAnswered({ key, order, child }: RefusedChild, signal: AbortSignal): Promise<boolean> {
    const { warmer, onAnswer } = this.#parts;
    try {
      if ((await warmer.isScanPending(order, child, signal)) === true) return false;
      const refusal = await warmer.findRefusal(order, child, signal);
      if (!signal.aborted) onAnswer(key, refusal);
      return true;
    } catch (error) {
      return !Failure.from(error).retryable;
    }
  }
}
