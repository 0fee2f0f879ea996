/**
 * Leases under which we pull: what was fetched stays when the pull is aborted, and the next one resumes at the byte where it
 * stopped (containerd 1.6 to 2.4; without a lease the collector takes everything within a second).
 */

import { createHash } from 'node:crypto';
import { isRuntimeUnavailable } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { mapBounded } from '../bounded.ts';
import { type Lease, leases } from './containerd-protocol.ts';

/** Names the reference that a lease was made for, and so tells our pull leases from all others. */
export const pullLabel = 'stevedore.dev/pull';
/** The collector lets a lease go after this time (RFC 3339), whatever became of us. */
const expireLabel = 'containerd.io/gc.expire';
const lifetimeMs = 24 * 3_600_000;
/** A lease with less left is renewed before a pull that may last for hours. */
const renewBelowMs = lifetimeMs / 2;
const parallelCalls = 16;
/** Deleting with `sync` waits for the collector, which deletes files. */
const collectDeadlineMs = 300_000;

export interface PullLeases {
  /** The id of a lease to pull under, an earlier one where it exists; undefined where containerd gives none. */
  acquire(reference: string, signal: AbortSignal): Promise<string | undefined>;
  /** The image is complete: its records hold everything now. Never throws; a lease left over expires. */
  release(id: string): Promise<void>;
  /** Deletes every pull lease whose reference is not in `keep` and waits until the disk has its bytes back. */
  discard(keep: (reference: string) => boolean, signal: AbortSignal): Promise<void>;
}

export function createPullLeases(client: GrpcClient, now: () => number = Date.now): PullLeases {
  async function listOurs(signal: AbortSignal): Promise<readonly Lease[]> {
    const { leases: all } = await client.unary(leases.list, { filters: [] }, signal);
    return all.filter((lease) => lease.id.startsWith('stevedore-') && lease.labels[pullLabel] !== undefined);
  }

  async function remove(id: string, sync: boolean, signal: AbortSignal): Promise<void> {
    try {
      await client.unary(leases.delete, { id, sync }, signal, { deadlineMs: sync ? collectDeadlineMs : 10_000 });
    } catch (error) {
      if (grpcCodeOf(error) !== grpcCode.notFound) throw error;
    }
  }

  /** The interface has no way to move an expiry: a new lease takes over what the old one holds. */
  async function inherit(from: Lease, to: string, signal: AbortSignal): Promise<void> {
    const { resources } = await client.unary(leases.listResources, { id: from.id }, signal);
    await mapBounded(resources, parallelCalls, (resource) =>
      client.unary(leases.addResource, { id: to, resource }, signal),
    );
    await remove(from.id, false, signal);
  }

  async function acquireLease(reference: string, signal: AbortSignal): Promise<string> {
    const earlier = (await listOurs(signal)).filter((lease) => lease.labels[pullLabel] === reference);
    const usable = earlier.find((lease) => Date.parse(lease.labels[expireLabel] ?? '') - now() > renewBelowMs);
    if (usable !== undefined) return usable.id;
    const base = toLeaseId(reference);
    const id = earlier.some((lease) => lease.id === base) ? `${base}-${now().toString(36)}` : base;
    const expireAt = new Date(now() + lifetimeMs).toISOString();
    await client.unary(leases.create, { id, labels: { [pullLabel]: reference, [expireLabel]: expireAt } }, signal);
    for (const lease of earlier) await inherit(lease, id, signal);
    return id;
  }

  return {
    async acquire(reference, signal) {
      try {
        return await acquireLease(reference, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isRuntimeUnavailable(error)) throw error;
        return undefined;
      }
    },

    async release(id) {
      await remove(id, false, AbortSignal.timeout(10_000)).catch(() => undefined);
    },

    async discard(keep, signal) {
      const unwanted = (await listOurs(signal)).filter((lease) => !keep(lease.labels[pullLabel] ?? ''));
      for (const [index, lease] of unwanted.entries()) await remove(lease.id, index === unwanted.length - 1, signal);
    },
  };
}

/** Pure. */
export function toLeaseId(reference: string): string {
  return `stevedore-${createHash('sha256').update(reference).digest('hex').slice(0, 16)}`;
}
