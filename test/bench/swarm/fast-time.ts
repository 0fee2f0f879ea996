/**
 * Lets the clocks and timers of a process run faster or slower, so that hours of a thousand agents fit into minutes. What is measured in time
 * keeps its proportions (Leases, backoff, heartbeats, pulls); CPU and network do not get faster, and so look slower than they are.
 */

/** A clock whose speed changes; it never jumps. */
export class FastClock {
  readonly #realNow = performance.now.bind(performance);
  #factor = 1;
  #atReal = this.#realNow();
  #at = performance.timeOrigin + this.#atReal;

  get factor(): number {
    return this.#factor;
  }

  set factor(factor: number) {
    this.#at = this.now;
    this.#atReal = this.#realNow();
    this.#factor = factor;
  }

  /** Epoch ms, with fractions, and as monotonic as it has to be. */
  get now(): number {
    return this.#at + (this.#realNow() - this.#atReal) * this.#factor;
  }
}

/**
 * Puts the process on a clock of this kind, before the modules that are to live on it are imported, and once.
 * @returns changes its speed
 */
export function installFastTime(): (factor: number) => void {
  const clock = new FastClock();
  const began = clock.now;
  const real = { Date, setTimeout, clearTimeout };
  class FastDate extends real.Date {
    constructor(...parts: readonly [] | readonly [number | string | Date]) {
      super(...((parts.length === 0 ? [clock.now] : parts) as [number]));
    }

    static override now(): number {
      return Math.floor(clock.now);
    }
  }
  const live = new Set<FastTimer>();

  /** As much of Node's Timeout as is used. */
  class FastTimer {
    readonly #run: () => void;
    readonly #ms: number;
    readonly #repeats: boolean;
    #dueAt = 0;
    #native: NodeJS.Timeout | undefined;
    #isRef = true;

    constructor(run: () => void, ms: number, repeats: boolean) {
      this.#run = run;
      this.#ms = Math.max(1, ms);
      this.#repeats = repeats;
      this.refresh();
    }

    refresh(): this {
      this.#dueAt = clock.now + this.#ms;
      live.add(this);
      this.arm();
      return this;
    }

    arm(): void {
      real.clearTimeout(this.#native);
      const ms = Math.min(2_147_483_647, Math.max(0, (this.#dueAt - clock.now) / clock.factor));
      this.#native = real.setTimeout(() => this.#fire(), ms);
      if (!this.#isRef) this.#native.unref();
    }

    close(): void {
      real.clearTimeout(this.#native);
      live.delete(this);
    }

    ref(): this {
      this.#isRef = true;
      this.#native?.ref();
      return this;
    }

    unref(): this {
      this.#isRef = false;
      this.#native?.unref();
      return this;
    }

    hasRef(): boolean {
      return this.#isRef;
    }

    #fire(): void {
      // Node's timers may be a millisecond early, which is many of ours.
      if (this.#dueAt - clock.now > 1) return this.arm();
      live.delete(this);
      if (this.#repeats) this.refresh();
      this.#run();
    }
  }

  const clear = (timer: unknown): void => {
    if (timer instanceof FastTimer) timer.close();
    else real.clearTimeout(timer as NodeJS.Timeout | undefined);
  };
  const toStart =
    (repeats: boolean) =>
    (run: (...rest: unknown[]) => void, ms = 0, ...rest: unknown[]) =>
      new FastTimer(() => run(...rest), ms, repeats);
  Object.assign(globalThis, {
    Date: FastDate,
    setTimeout: toStart(false),
    setInterval: toStart(true),
    clearTimeout: clear,
    clearInterval: clear,
  });
  Object.defineProperty(performance, 'now', { value: () => clock.now - began });
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    const expire = (): void => controller.abort(new DOMException('signal timed out', 'TimeoutError'));
    new FastTimer(expire, ms, false).unref();
    return controller.signal;
  };
  return (factor) => {
    clock.factor = factor;
    for (const timer of live) timer.arm();
  };
}
