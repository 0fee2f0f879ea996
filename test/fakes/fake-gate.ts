/** The door of a fake runtime: every call passes it, is noted down, and may be made to fail, to hang or to find nobody there. */

import { Failure } from '../../agent/core/failure.ts';
import type { Runtime } from '../../agent/runtime/runtime.ts';
import type { Pulse } from './pulse.ts';

export type FakeMethod = Exclude<keyof Runtime, 'close'>;

export interface FakeCall {
  readonly method: FakeMethod;
  /** Reference, name or image id, where the method takes one. */
  readonly target: string | undefined;
  /** By the test's clock, epoch ms. */
  readonly at: number;
}

interface PlannedFailure {
  readonly method: FakeMethod;
  /** Undefined: whatever the target. */
  readonly target: string | undefined;
  readonly failure: Failure;
}

export class FakeGate {
  readonly calls: FakeCall[] = [];
  readonly hanging = new Set<FakeMethod>();
  readonly #pulse: Pulse;
  readonly #failures: PlannedFailure[] = [];
  #away = false;
  /** How often it went away: what began in an earlier life does not end in a later one. */
  #departures = 0;

  constructor(pulse: Pulse) {
    this.#pulse = pulse;
  }

  async enter(method: FakeMethod, target: string | undefined, signal: AbortSignal): Promise<void> {
    this.calls.push({ method, target, at: Date.now() });
    await Promise.resolve();
    if (this.hanging.has(method)) await this.#pulse.until(() => false, signal);
    signal.throwIfAborted();
    if (this.#away) throw unavailable();
    const index = this.#failures.findIndex(
      (planned) => planned.method === method && (planned.target === undefined || planned.target === target),
    );
    const planned = index < 0 ? undefined : this.#failures.splice(index, 1)[0];
    if (planned !== undefined) throw planned.failure;
  }

  /** Throws from when the runtime goes away after now. */
  lifeCheck(): () => void {
    const life = this.#departures;
    return () => {
      if (life !== this.#departures) throw unavailable();
    };
  }

  failNext(planned: PlannedFailure): void {
    this.#failures.push(planned);
  }

  goAway(): void {
    this.#away = true;
    this.#departures += 1;
    this.#pulse.fire();
  }

  comeBack(): void {
    this.#away = false;
  }
}

function unavailable(): Failure {
  return new Failure('runtime', 'the runtime does not answer', { detail: 'unavailable' });
}
