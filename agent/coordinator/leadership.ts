import type { LeaseRecord } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { sleep } from '../core/sleep.ts';
import { leaseMs } from './lease-view.ts';
import { within } from './time-limit.ts';

/** A follower takes what did not change for a lease time between the beginnings of two requests, whose answers may be slow. */
const leadAtMostMs = leaseMs - 12_000;
const leadAgainMs = 5_000;
/** The work should end at once; whatever hangs in it does not keep the Lease. */
const endWithinMs = 5_000;

/** One agent's time as the leader: its work, and until when it is certain that nobody else has the Lease. */
export class Leadership {
  lease: LeaseRecord;
  readonly #log: Logger;
  readonly #over = new AbortController();
  readonly #work: Promise<void>;
  /** Monotonic ms. */
  #renewedAt: number;

  /** @param askedAt when the request began that took the Lease, monotonic ms */
  constructor(
    lease: LeaseRecord,
    askedAt: number,
    lead: (signal: AbortSignal) => Promise<void>,
    log: Logger,
    signal: AbortSignal,
  ) {
    this.lease = lease;
    this.#renewedAt = askedAt;
    this.#log = log;
    this.#work = this.#run(lead, AbortSignal.any([signal, this.#over.signal]));
  }

  /** Until it must have ended unless it is renewed. */
  get leftMs(): number {
    return this.#renewedAt + leadAtMostMs - performance.now();
  }

  renewed(lease: LeaseRecord, askedAt: number): void {
    this.lease = lease;
    this.#renewedAt = askedAt;
  }

  /** Fires the signal of the work and waits for it, within bounds. */
  async end(): Promise<void> {
    this.#over.abort();
    await within(endWithinMs, new AbortController().signal, () => this.#work).catch(() => {
      this.#log.warn({}, 'the work of the coordinator does not end in time');
    });
  }

  async #run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await lead(signal);
      } catch (error) {
        if (signal.aborted) return;
        const { code, message } = Failure.from(error);
        this.#log.error({ code, error: message }, 'the work of the coordinator failed and begins again');
      }
      await sleep(leadAgainMs, signal);
    }
  }
}
