/** The event stream of a fake runtime: every watcher has its own queue. */

import type { RuntimeEvent } from '../../agent/runtime/runtime.ts';
import type { Pulse } from './pulse.ts';

export class FakeEvents {
  readonly #pulse: Pulse;
  readonly #queues = new Set<RuntimeEvent[]>();

  constructor(pulse: Pulse) {
    this.#pulse = pulse;
  }

  emit(event: RuntimeEvent): void {
    for (const queue of this.#queues) queue.push(event);
    this.#pulse.fire();
  }

  /** @param checkAlive throws when the stream broke; events that came before are still given. */
  async *watch(signal: AbortSignal, checkAlive: () => void): AsyncIterable<RuntimeEvent> {
    const queue: RuntimeEvent[] = [];
    this.#queues.add(queue);
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event !== undefined) yield event;
        else {
          checkAlive();
          await this.#pulse.wait(signal);
        }
      }
    } finally {
      this.#queues.delete(queue);
    }
  }
}
