/**
 * Coalesces "look again" hints: however many fire, the waiter wakes once, at the earliest time that any of them asked for. A clock that is set
 * back or forward neither stops nor hurries it.
 */
export class Trigger {
  /** Monotonic ms, as all times in here. */
  #dueAt: number | undefined;
  #wake: (() => void) | undefined;
  #swarmDueAt = Number.NEGATIVE_INFINITY;

  /** Asks for a look no later than in `delayMs`; hints that come close together share one look. */
  fire(delayMs = 0): void {
    const dueAt = performance.now() + delayMs;
    if (this.#dueAt !== undefined && this.#dueAt <= dueAt) return;
    this.#dueAt = dueAt;
    this.#wake?.();
  }

  /** As `fire`, for hints that come in swarms: they cause no more than one look in `gapMs`. */
  fireSparsely(delayMs: number, gapMs: number): void {
    const now = performance.now();
    if (this.#swarmDueAt <= now) this.#swarmDueAt = Math.max(now + delayMs, this.#swarmDueAt + gapMs);
    // Also when it is set already: another hint may have used it up in the meantime.
    this.fire(this.#swarmDueAt - now);
  }

  /**
   * Resolves when a hint is due, at `untilAt` (epoch ms) at the latest, or when the signal fires. True: a hint was due,
   * and it is used up.
   */
  async wait(untilAt: number, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + (untilAt - Date.now());
    while (!signal.aborted) {
      const now = performance.now();
      if (this.#dueAt !== undefined && this.#dueAt <= now) {
        this.#dueAt = undefined;
        return true;
      }
      if (until <= now) return false;
      await this.#sleep(Math.ceil(Math.min(until, this.#dueAt ?? until) - now), signal);
    }
    return false;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        this.#wake = undefined;
        resolve();
      };
      // setTimeout overflows above 2^31 - 1 ms and would fire at once; the loop in wait() simply sleeps again.
      const timer = setTimeout(finish, Math.min(ms, 2_147_483_647));
      signal.addEventListener('abort', finish, { once: true });
      this.#wake = finish;
    });
  }
}
