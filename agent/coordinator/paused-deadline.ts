/** Time that one work may take, without the time for which it has to wait for its turn. */
export class PausedDeadline {
  readonly #limitMs: number;
  readonly #end = new AbortController();
  #countedMs = 0;
  /** Monotonic ms; undefined: it does not run. */
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Aborted once the time is over. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** The time that counted so far, ms. */
  get countedMs(): number {
    return this.#countedMs + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  run(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#end.abort(), this.#limitMs - this.#countedMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#countedMs = this.countedMs;
    this.#since = undefined;
  }
}
