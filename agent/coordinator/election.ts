import { randomBytes } from 'node:crypto';
import type { Cluster, LeaseRecord } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { sleep } from '../core/sleep.ts';
import type { CoordinatorState, HarborRecorder } from '../work/harbor-recorder.ts';
import { Leadership } from './leadership.ts';
import { electionLease, LeaseView, leaseMs, leaseSeconds } from './lease-view.ts';
import type { Random } from './parts.ts';
import { within } from './time-limit.ts';

/** `candidate`: leads when nobody else does; `observer`: only looks who leads; `off`: does not even ask. */
export type ElectionRole = 'candidate' | 'observer' | 'off';

export interface ElectionParts {
  readonly cluster: Pick<Cluster, 'getLease' | 'createLease' | 'updateLease'>;
  /** Begins the holder's name; what makes it the agent's own is added, since two agents of one node, as in an update, must not both lead. */
  readonly nodeName: string;
  /**
   * The leader's work. The signal fires when the Lease is lost or given up, before anybody else can have it; it should then resolve soon. Where
   * it ends before that, it is called again after a pause.
   */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  /** State, `isLedBySomebody` or `resolvedAt` is another one. */
  readonly onChange: () => void;
  readonly recorder: Pick<HarborRecorder, 'coordinatorState'>;
  readonly log: Logger;
  readonly random?: Random;
}

const renewEveryMs = 40_000;
const renewRetryMs = 5_000;
const firstLookWithinMs = 5_000;
/** No permission, no namespace: only somebody who changes that can help. */
const refusedAgainMs = 600_000;
const requestWithinMs = 10_000;
const giveBackWithinMs = 2_000;

/**
 * Who coordinates: the holder of one Lease, which is renewed by itself and looked at once in its lease time by everybody else. A record that has
 * not changed for a lease time is taken over.
 */
export class Election {
  readonly #parts: ElectionParts;
  readonly #random: Random;
  readonly #identity: string;
  readonly #view: LeaseView;
  #role: ElectionRole = 'off';
  #leading: Leadership | undefined;
  #nextAt = 0;
  #looks = 0;
  #said = '';
  #told = '';
  #wake = new AbortController();

  constructor(parts: ElectionParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    this.#identity = `${parts.nodeName}_${randomBytes(4).toString('hex')}`;
    this.#view = new LeaseView(this.#identity);
  }

  get state(): CoordinatorState {
    if (this.#leading !== undefined) return 'leader';
    if (this.#role === 'off') return 'off';
    return this.isLedBySomebody ? 'follower' : 'none';
  }

  /** Somebody, perhaps this agent, held the Lease within twice its time. */
  get isLedBySomebody(): boolean {
    return this.#leading !== undefined || this.#view.isLed(performance.now());
  }

  /** When the last round of whoever leads was done, epoch ms by its own clock; undefined: never, as far as this agent knows. */
  get resolvedAt(): number | undefined {
    return this.#view.resolvedAt;
  }

  /** The leader's node; undefined: nobody is known to lead. */
  get leader(): string | undefined {
    if (this.#leading !== undefined) return this.#parts.nodeName;
    return this.isLedBySomebody ? this.#view.holder.replace(/_[0-9a-f]{8}$/, '') || undefined : undefined;
  }

  setRole(role: ElectionRole): void {
    if (this.#role === role) return;
    this.#role = role;
    this.#nextAt = performance.now() + this.#random() * firstLookWithinMs;
    this.#looks = 0;
    this.#wake.abort();
  }

  /** By the leader, after each round; the others see it with the next renewal. */
  roundDone(at: number): void {
    this.#view.resolvedAt = at;
    this.#tell();
  }

  /** Resolves once the signal has fired, the work is over and the Lease given back. */
  async run(signal: AbortSignal): Promise<void> {
    // Nothing is told before the caller has gone on.
    await Promise.resolve();
    this.#tell();
    while (!signal.aborted) {
      await this.#step(signal);
      this.#tell();
      const untilLostMs = this.#leading?.leftMs ?? leaseMs;
      const untilNextMs = this.#role === 'off' ? leaseMs : this.#nextAt - performance.now();
      await sleep(Math.ceil(Math.min(untilNextMs, untilLostMs)), AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
    await this.#giveBack();
    this.#tell();
  }

  async #step(signal: AbortSignal): Promise<void> {
    if (this.#leading !== undefined && this.#role !== 'candidate') await this.#giveBack();
    if (this.#leading !== undefined && this.#leading.leftMs <= 0) await this.#lose('it could not be renewed in time');
    if (this.#role === 'off' || performance.now() < this.#nextAt) return;
    if (this.#leading === undefined) await this.#look(signal);
    else await this.#renew(this.#leading, signal);
  }

  /** One GET, and one write where it may be taken. */
  async #look(signal: AbortSignal): Promise<void> {
    const askedAt = performance.now();
    this.#looks += 1;
    // The second look is at random within a lease time: agents that began together do not stay in step.
    this.#nextAt = askedAt + (this.#looks === 1 ? Math.max(0.1, this.#random()) : 1) * leaseMs;
    try {
      const lease = await within(requestWithinMs, signal, (asking) => this.#read(asking));
      if (this.#role !== 'candidate' || !this.#view.mayTake(lease, askedAt)) return;
      const taken = await within(requestWithinMs, signal, (asking) => this.#take(lease, asking));
      this.#begin(taken, askedAt, signal);
    } catch (error) {
      if (!signal.aborted) this.#fail(Failure.from(error), askedAt);
    }
  }

  /** Undefined: there is none. */
  async #read(signal: AbortSignal): Promise<LeaseRecord | undefined> {
    const askedAt = performance.now();
    let lease: LeaseRecord | undefined;
    try {
      lease = await this.#parts.cluster.getLease(electionLease, signal);
    } catch (error) {
      if (Failure.from(error).code !== 'not_found') throw error;
    }
    this.#view.observe(lease, askedAt);
    this.#said = '';
    return lease;
  }

  #take(lease: LeaseRecord | undefined, signal: AbortSignal): Promise<LeaseRecord> {
    const { cluster } = this.#parts;
    return lease === undefined
      ? cluster.createLease(electionLease, this.#identity, leaseSeconds, signal)
      : cluster.updateLease(lease, this.#identity, leaseSeconds, signal, this.#view.annotations);
  }

  async #renew(leading: Leadership, signal: AbortSignal): Promise<void> {
    const askedAt = performance.now();
    const limitMs = Math.min(requestWithinMs, leading.leftMs);
    try {
      const lease = await within(limitMs, signal, (asking) => this.#take(leading.lease, asking));
      leading.renewed(lease, askedAt);
      this.#said = '';
      this.#nextAt = askedAt + (0.9 + this.#random() * 0.2) * renewEveryMs;
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      this.#nextAt = performance.now() + (0.5 + this.#random()) * renewRetryMs;
      if (failure.detail === 'conflict') await this.#lookWhoHasIt(leading, signal);
      else this.#say(failure, 'the coordinator Lease could not be renewed');
    }
  }

  /** A write whose answer got lost is a conflict with oneself. */
  async #lookWhoHasIt(leading: Leadership, signal: AbortSignal): Promise<void> {
    const lease = await within(requestWithinMs, signal, (asking) => this.#read(asking)).catch(() => undefined);
    if (lease === undefined || signal.aborted) return;
    if (lease.holder === this.#identity) leading.lease = lease;
    else await this.#lose(`${lease.holder === '' ? 'nobody' : lease.holder} holds it`);
  }

  #begin(lease: LeaseRecord, askedAt: number, signal: AbortSignal): void {
    const { lead, log } = this.#parts;
    log.info({ lease: electionLease }, 'this agent coordinates: it resolves and warms for the cluster');
    this.#nextAt = askedAt + (0.9 + this.#random() * 0.2) * renewEveryMs;
    this.#leading = new Leadership(lease, askedAt, lead, log, signal);
  }

  async #lose(why: string): Promise<void> {
    this.#parts.log.warn({ lease: electionLease, why }, 'this agent no longer coordinates: the Lease is lost');
    this.#nextAt = performance.now() + this.#random() * leaseMs;
    await this.#end();
  }

  async #end(): Promise<LeaseRecord | undefined> {
    const leading = this.#leading;
    this.#leading = undefined;
    await leading?.end();
    return leading?.lease;
  }

  async #giveBack(): Promise<void> {
    const lease = await this.#end();
    if (lease === undefined) return;
    const { cluster, log } = this.#parts;
    this.#view.nobodyLeads();
    try {
      await within(giveBackWithinMs, new AbortController().signal, (asking) =>
        cluster.updateLease(lease, '', leaseSeconds, asking, this.#view.annotations),
      );
      log.info({ lease: electionLease }, 'coordinator Lease given back');
    } catch (error) {
      const { code, message } = Failure.from(error);
      log.debug({ lease: electionLease, code, error: message }, 'coordinator Lease not given back');
    }
  }

  #fail(failure: Failure, askedAt: number): void {
    // Somebody else was faster: the next look shows who.
    if (failure.detail === 'conflict') return this.#view.somebodyLeads(performance.now());
    if (failure.detail === 'forbidden' || failure.code === 'not_found') {
      this.#view.nobodyLeads();
      this.#nextAt = askedAt + (0.75 + this.#random() * 0.5) * refusedAgainMs;
    }
    this.#say(failure, 'the coordinator Lease does not answer');
  }

  #say({ code, detail, message }: Failure, what: string): void {
    if (this.#said !== message) this.#parts.log.warn({ code, detail, error: message }, what);
    this.#said = message;
  }

  #tell(): void {
    const told = JSON.stringify([this.state, this.isLedBySomebody, this.resolvedAt, this.leader]);
    if (told === this.#told) return;
    this.#told = told;
    this.#parts.recorder.coordinatorState(this.state);
    this.#parts.onChange();
  }
}
