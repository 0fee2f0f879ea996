import { untilAborted } from '../core/abort.ts';

/** Requests at once, per host. undici's own queue cannot be left by an abort before the request is on the wire; this one can. */
export class Slots {
  readonly #limit: number;
  readonly #hosts = new Map<string, { taken: number; readonly waiting: Set<() => void> }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a free slot and gives the function that frees it again. An abort throws `signal.reason`. */
  async take(host: string, signal: AbortSignal): Promise<() => void> {
    const slots = this.#hosts.get(host) ?? { taken: 0, waiting: new Set() };
    this.#hosts.set(host, slots);
    while (slots.taken >= this.#limit) {
      const { promise, resolve } = Promise.withResolvers<void>();
      slots.waiting.add(resolve);
      try {
        await untilAborted(promise, signal);
      } finally {
        slots.waiting.delete(resolve);
      }
    }
    slots.taken += 1;
    return () => {
      slots.taken -= 1;
      // All of them look again, in their order: waking one would lose the slot if that one is being aborted.
      for (const wake of slots.waiting) wake();
    };
  }
}
