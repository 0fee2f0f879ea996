import { Failure } from '../core/failure.ts';
import { within } from './time-limit.ts';

/** The clients have shorter time-outs; this bounds a call that takes several requests. */
export const callWithinMs = 60_000;
/** After so many in a row: one alone may be a packet that got lost. */
const mostFailures = 3;

interface Lane {
  inARow: number;
  failure: Failure;
}

export interface BreakerOptions {
  /** False: a time-out says nothing of the host, since it waits for somebody behind it. */
  readonly countsTimeouts?: boolean;
  readonly withinMs?: number;
}

/** Leaves alone what hangs or cannot be reached, so that a round takes seconds and not as many time-outs as there are images. Made anew for each round. */
export class Breaker {
  readonly #lanes = new Map<string, Lane>();

  /**
   * @param lane what is asked, and fails as one: a host's registry, its API
   * @throws Failure of the work, or at once that of the last call where too many before it timed out or were not connected; any answer ends the count
   */
  async ask<Result>(
    lane: string,
    signal: AbortSignal,
    work: (limited: AbortSignal) => Promise<Result>,
    { countsTimeouts = true, withinMs = callWithinMs }: BreakerOptions = {},
  ): Promise<Result> {
    const known = this.#lanes.get(lane);
    if (known !== undefined && known.inARow >= mostFailures) throw known.failure;
    try {
      const result = await within(withinMs, signal, work);
      this.#lanes.delete(lane);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      const failure = Failure.from(error);
      const isTimeout = failure.code === 'timeout';
      if (failure.code === 'network' || (isTimeout && countsTimeouts)) this.#count(lane, failure);
      else if (!isTimeout) this.#lanes.delete(lane);
      throw failure;
    }
  }

  #count(lane: string, failure: Failure): void {
    this.#lanes.set(lane, { inARow: (this.#lanes.get(lane)?.inARow ?? 0) + 1, failure });
  }
}

/** A host's manifests. */
export const registryLane = (host: string): string => `${host} registry`;
/** A host's REST API. */
export const apiLane = (host: string): string => `${host} api`;
/** Signatures are blobs, and may come from a storage of their own. */
export const signaturesLane = (host: string): string => `${host} signatures`;
