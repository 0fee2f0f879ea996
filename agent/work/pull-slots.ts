import type { Cluster, LeaseRecord } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SlotState } from '../core/pull-planner.ts';
import { sleep } from '../core/sleep.ts';
import {
  chooseSlots,
  isSlotWithin,
  observeLeases,
  type SeenLeases,
  slotDurationSeconds,
  slotPrefix,
  longestSlotWaitMs,
  toNextFreeAt,
  toSlotWaitMs,
} from '../core/slot-choice.ts';
import type { Recorder } from './recorder.ts';
import { type SlotHolding, toSlotState } from './slot-holding.ts';
import type { SlotHook } from './slot-hook.ts';

export interface PullSlotsParts {
  readonly cluster: Pick<Cluster, 'listLeases' | 'createLease' | 'updateLease'>;
  /** The holder: two agents of one node, as in a rolling update, are the same one. */
  readonly nodeName: string;
  readonly recorder: Pick<Recorder, 'pullSlotHeld' | 'pullSlotAcquired' | 'pullSlotFailedOpen'>;
  readonly log: Logger;
  /** Pulls may begin, or may not any more. */
  readonly onChange: () => void;
  /** 0 to 1. */
  readonly random?: () => number;
}

const durationMs = slotDurationSeconds * 1000;
const renewEveryMs = 20_000;
const renewRetryMs = 5_000;
/** An edit reaches all nodes at once; their first looks come one after the other. */
const firstLookWithinMs = 1_000;
/** An API server that restarts is away for less than a minute, for all nodes at once: none of them may take that for leave to pull. */
const openWithoutAnswerMs = { after: 60_000, within: 240_000 };
/** No permission, no namespace: only somebody who changes that can help. */
const openRefusedMs = { after: 0, within: 30_000 };
const askWhileOpeningMs = 10_000;
const askAgainMs = 60_000;
const releaseWithinMs = 2_000;
/** Where many nodes look at the same time they take each other's choice; more tries would only make more conflicts. */
const mostTries = 3;

/**
 * One of the cluster's pull slots, held while this node pulls: a Lease each, taken and renewed by the nodes themselves, without a
 * controller. Where they cannot be asked, pulls go on without.
 */
export class PullSlots implements SlotHook {
  readonly #parts: PullSlotsParts;
  readonly #random: () => number;
  #limit: number | undefined;
  #wanted = false;
  #state: SlotHolding = { kind: 'idle' };
  #seen: SeenLeases = new Map();
  #said = '';
  #wake = new AbortController();

  constructor(parts: PullSlotsParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
  }

  get slot(): SlotState {
    return toSlotState(this.#state, this.#limit, performance.now(), Date.now());
  }

  get forecast(): SlotState {
    return this.#state.kind === 'idle' ? 'free' : this.slot;
  }

  setLimit(maxNodes: number | undefined): void {
    if (this.#limit === maxNodes) return;
    const isRaised = (maxNodes ?? 0) > (this.#limit ?? Number.POSITIVE_INFINITY);
    this.#limit = maxNodes;
    const nextAt = performance.now() + this.#random() * firstLookWithinMs;
    if (isRaised && this.#state.kind === 'waiting') this.#state = { ...this.#state, nextAt };
    this.#wake.abort();
  }

  want(wanted: boolean): void {
    if (this.#wanted === wanted) return;
    this.#wanted = wanted;
    this.#wake.abort();
  }

  /** Asks for a slot while one is wanted, keeps it, and gives it back. Resolves once the signal has fired and the slot is given back. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#step(signal);
      await sleep(this.#untilNextMs, AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
    await this.#release();
  }

  get #untilNextMs(): number {
    if (this.#state.kind !== 'idle') return this.#state.nextAt - performance.now();
    return this.#wanted && this.#limit !== undefined ? 0 : longestSlotWaitMs;
  }

  async #step(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (!this.#wanted || this.#limit === undefined) {
      await this.#release();
      return;
    }
    const state = this.#state;
    if (state.kind === 'idle') {
      const nextAt = now + this.#random() * firstLookWithinMs;
      this.#become({ kind: 'waiting', since: now, looks: 0, nextAt });
    } else if (state.kind === 'held' && !isSlotWithin(state.lease.name, this.#limit)) {
      await this.#release();
    } else if (now >= state.nextAt) {
      if (state.kind === 'opening' && now >= state.openAt) this.#open(state.since, now);
      else if (state.kind === 'held') await this.#renew(state, signal);
      else await this.#look(state.since, signal);
    }
  }

  /** One list, and one write where something is free. */
  async #look(since: number, signal: AbortSignal): Promise<void> {
    const { cluster, nodeName } = this.#parts;
    try {
      const leases = await cluster.listLeases(slotPrefix, signal);
      const now = performance.now();
      this.#seen = observeLeases(this.#seen, leases, now);
      const maxNodes = this.#limit ?? 0;
      const free = chooseSlots(leases, this.#seen, { maxNodes, nodeName, now }, this.#random);
      for (const { name, lease } of free.slice(0, mostTries)) {
        const askedAt = performance.now();
        const taken = await this.#take(name, lease, signal);
        if (taken !== undefined) return this.#hold(taken, askedAt, since);
      }
      this.#waitAgain(since, toNextFreeAt(leases, this.#seen, { maxNodes, now }));
    } catch (error) {
      if (!signal.aborted) this.#fail(Failure.from(error), since);
    }
  }

  /** Undefined: somebody else was faster. */
  async #take(name: string, lease: LeaseRecord | undefined, signal: AbortSignal): Promise<LeaseRecord | undefined> {
    const { cluster, nodeName } = this.#parts;
    try {
      return await (lease === undefined
        ? cluster.createLease(name, nodeName, slotDurationSeconds, signal)
        : cluster.updateLease(lease, nodeName, slotDurationSeconds, signal));
    } catch (error) {
      const isGone = lease !== undefined && Failure.from(error).code === 'not_found';
      if (isConflict(error) || isGone) return undefined;
      throw error;
    }
  }

  async #renew(held: SlotHolding & { kind: 'held' }, signal: AbortSignal): Promise<void> {
    const askedAt = performance.now();
    try {
      const lease = await this.#parts.cluster.updateLease(
        held.lease,
        this.#parts.nodeName,
        slotDurationSeconds,
        signal,
      );
      this.#become({ kind: 'held', lease, renewedAt: askedAt, nextAt: this.#nextRenewal(askedAt) });
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      // The other agent of this node has renewed it, or somebody took what we had left to expire: the list says which.
      if (isConflict(failure) || failure.code === 'not_found') await this.#look(askedAt, signal);
      else if (performance.now() >= held.renewedAt + durationMs) this.#fail(failure, askedAt);
      else this.#become({ ...held, nextAt: performance.now() + (0.5 + this.#random()) * renewRetryMs });
    }
  }

  #hold(lease: LeaseRecord, askedAt: number, since: number): void {
    const { recorder, log } = this.#parts;
    const waitedSeconds = (performance.now() - since) / 1000;
    if (this.#state.kind !== 'held') {
      recorder.pullSlotAcquired(waitedSeconds);
      log.info({ slot: lease.name, waitedSeconds }, 'pull slot taken');
    }
    this.#said = '';
    this.#become({ kind: 'held', lease, renewedAt: askedAt, nextAt: this.#nextRenewal(askedAt) });
  }

  #nextRenewal(askedAt: number): number {
    return askedAt + (0.9 + this.#random() * 0.2) * renewEveryMs;
  }

  #waitAgain(since: number, freeAt: number): void {
    const { log } = this.#parts;
    const { kind } = this.#state;
    if (kind === 'held') log.warn({}, 'pull slot lost to another node: what runs goes on, nothing else begins');
    if (kind === 'open') log.info({}, 'the pull slots answer again');
    const looks = this.#state.kind === 'waiting' ? this.#state.looks + 1 : 1;
    const soonest = freeAt + this.#random() * firstLookWithinMs;
    const nextAt = Math.min(soonest, performance.now() + toSlotWaitMs(looks, this.#random()));
    this.#become({ kind: 'waiting', since, looks, nextAt });
  }

  #fail(failure: Failure, since: number): void {
    const now = performance.now();
    const { code, detail, message, retryAfterMs = 0 } = failure;
    if (this.#said !== message) {
      this.#parts.log.warn({ code, detail, error: message }, 'pull slots do not answer: soon pulls go without one');
    }
    this.#said = message;
    const state = this.#state;
    if (state.kind === 'open') return this.#open(since, now);
    const isRefused = detail === 'forbidden' || code === 'not_found';
    const { after, within } = isRefused ? openRefusedMs : openWithoutAnswerMs;
    const openAt = state.kind === 'opening' ? state.openAt : now + after + this.#random() * within;
    const askAt = now + retryAfterMs + (0.5 + this.#random()) * askWhileOpeningMs;
    this.#become({ kind: 'opening', since, openAt, nextAt: isRefused ? openAt : Math.min(openAt, askAt) });
  }

  #open(since: number, now: number): void {
    if (this.#state.kind !== 'open') this.#parts.recorder.pullSlotFailedOpen();
    this.#become({ kind: 'open', since, nextAt: now + (0.8 + this.#random() * 0.4) * askAgainMs });
  }

  /** Without an answer it is free again within its duration. */
  async #release(): Promise<void> {
    const state = this.#state;
    this.#become({ kind: 'idle' });
    if (state.kind !== 'held') return;
    try {
      await this.#parts.cluster.updateLease(state.lease, '', slotDurationSeconds, AbortSignal.timeout(releaseWithinMs));
      this.#parts.log.info({ slot: state.lease.name }, 'pull slot given back');
    } catch (error) {
      const { code, message } = Failure.from(error);
      this.#parts.log.debug({ slot: state.lease.name, code, error: message }, 'pull slot not given back');
    }
  }

  #become(state: SlotHolding): void {
    const wasFree = this.slot === 'free';
    this.#state = state;
    this.#parts.recorder.pullSlotHeld(state.kind === 'held');
    if ((this.slot === 'free') !== wasFree) this.#parts.onChange();
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Failure && error.detail === 'conflict';
}
