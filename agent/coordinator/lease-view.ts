import type { LeaseRecord } from '../cluster/cluster.ts';

export const electionLease = 'stevedore-coordinator';
/** Of the Lease; also the time between two looks of everybody else at it. */
export const leaseSeconds = 120;
export const leaseMs = leaseSeconds * 1000;
/** ISO time of the last finished round. */
const resolvedAtKey = 'resolved-at';

/**
 * What one agent has seen of the coordinator's Lease. Other clocks than its own say nothing: what counts is how long a record has not changed here.
 * All times monotonic ms but `resolvedAt`.
 */
export class LeaseView {
  readonly #identity: string;
  #seen: { readonly lease: LeaseRecord; readonly at: number } | undefined;
  #ledAt = Number.NEGATIVE_INFINITY;
  #resolvedAt: number | undefined;

  /** @param identity what the agent itself holds it by */
  constructor(identity: string) {
    this.#identity = identity;
  }

  /** Epoch ms by the leader's clock. */
  get resolvedAt(): number | undefined {
    return this.#resolvedAt;
  }

  set resolvedAt(at: number | undefined) {
    this.#resolvedAt = at;
  }

  get annotations(): Readonly<Record<string, string>> {
    return this.#resolvedAt === undefined ? {} : { [resolvedAtKey]: new Date(this.#resolvedAt).toISOString() };
  }

  get holder(): string {
    return this.#seen?.lease.holder ?? '';
  }

  /** Somebody held it within twice its time. */
  isLed(now: number): boolean {
    return now - this.#ledAt < 2 * leaseMs;
  }

  /** @param lease undefined: there is none */
  observe(lease: LeaseRecord | undefined, now: number): void {
    if (lease === undefined) {
      this.#seen = undefined;
      return;
    }
    const isSame = this.#seen?.lease.resourceVersion === lease.resourceVersion;
    if (!isSame) this.#seen = { lease, at: now };
    if (lease.holder === '') this.nobodyLeads();
    else if (!isSame) this.#ledAt = now;
    const at = Date.parse(lease.annotations[resolvedAtKey] ?? '');
    if (!Number.isNaN(at)) this.#resolvedAt = at;
  }

  somebodyLeads(now: number): void {
    this.#ledAt = now;
  }

  nobodyLeads(): void {
    this.#ledAt = Number.NEGATIVE_INFINITY;
  }

  /** @param askedAt when the request began that gave the record last */
  mayTake(lease: LeaseRecord | undefined, askedAt: number): boolean {
    if (lease === undefined || lease.holder === '' || lease.holder === this.#identity) return true;
    return askedAt - (this.#seen?.at ?? askedAt) >= Math.max(leaseMs, lease.durationSeconds * 1000);
  }
}
