/** What makes calls of a fake fail or hang, by key: a reference, a method's name, or `*` for all. */

import { untilAborted } from '../../agent/core/abort.ts';

export class FakeFaults {
  readonly #faults = new Map<string, { readonly error: unknown; remaining: number }>();
  readonly #held = new Map<string, Promise<void>>();

  /** The next `times` calls with this key throw the error; `heal` ends it. */
  fail(key: string, error: unknown, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(key, { error, remaining: times });
  }

  heal(): void {
    this.#faults.clear();
  }

  /** Calls with this key wait until the returned function is called; they can be aborted. */
  hold(key: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(key, promise);
    return () => {
      if (this.#held.get(key) === promise) this.#held.delete(key);
      resolve();
    };
  }

  async pass(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const held = keys.map((key) => this.#held.get(key)).find((one) => one !== undefined);
    if (held !== undefined) await untilAborted(held, signal);
    for (const key of keys) {
      const fault = this.#faults.get(key);
      if (fault === undefined || fault.remaining <= 0) continue;
      fault.remaining -= 1;
      throw fault.error;
    }
  }
}
