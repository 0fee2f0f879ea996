import { Failure } from '../core/failure.ts';

/**
 * Gives up on silence, not on slowness: its signal fires with a `timeout` Failure when nothing progressed for
 * `stallTimeoutMs`, or when `totalTimeoutMs` have passed in all. Undefined: no such limit.
 */
export class Stall implements Disposable {
  readonly #controller = new AbortController();
  readonly #stallTimeoutMs: number | undefined;
  readonly #total: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(stallTimeoutMs: number | undefined, totalTimeoutMs: number | undefined) {
    this.#stallTimeoutMs = stallTimeoutMs;
    if (totalTimeoutMs !== undefined) {
      this.#total = setTimeout(
        () => this.#giveUp(`not done after ${totalTimeoutMs} ms (prefetch.pullTimeout)`),
        totalTimeoutMs,
      );
    }
    this.progressed();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  progressed(): void {
    const limit = this.#stallTimeoutMs;
    if (limit === undefined || this.#controller.signal.aborted) return;
    if (this.#silence !== undefined) {
      this.#silence.refresh();
      return;
    }
    this.#silence = setTimeout(() => this.#giveUp(`no progress for ${limit} ms (prefetch.stallTimeout)`), limit);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#total);
  }

  #giveUp(message: string): void {
    this.#controller.abort(new Failure('timeout', message, { detail: 'stalled' }));
  }
}
