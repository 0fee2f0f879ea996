/** What else takes disk in containerd, beside images, and that its collector leaves alone. */

import type { Leftover, LeftoverKind } from '../../core/leftovers.ts';
import { mapBounded } from '../bounded.ts';
import { removeDeadlineMs } from '../cri/cri-calls.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { toEpochMs } from '../grpc/descriptor.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { content, type IngestStatus, type Lease, type LeaseResource, leases } from './containerd-protocol.ts';
import { listNamespaceLeftovers } from './namespace-leftovers.ts';
import { listSnapshotLeftovers, removeSnapshot } from './snapshot-leftovers.ts';

export interface Leftovers {
  /** As `Runtime.listLeftovers`. */
  list(kinds: ReadonlySet<LeftoverKind>, signal: AbortSignal): Promise<readonly Leftover[]>;
  /** As `Runtime.removeLeftover`. */
  remove(leftover: Leftover, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'>;
}

const expireLabel = 'containerd.io/gc.expire';
const parallelCalls = 16;

export function createLeftovers(
  client: GrpcClient,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
  namespace: string,
  now: () => number = Date.now,
): Leftovers {
  async function listLeases(signal: AbortSignal): Promise<readonly Lease[]> {
    return (await client.unary(leases.list, { filters: [] }, signal)).leases;
  }

  /** What leases hold that have not expired: pulls under way, pulls of ours that may resume, removals, builds. */
  async function listHeld(signal: AbortSignal): Promise<readonly LeaseResource[]> {
    const live = (await listLeases(signal)).filter((lease) => !isExpired(lease, now()));
    const held = await mapBounded(live, parallelCalls, async ({ id }) => {
      try {
        return (await client.unary(leases.listResources, { id }, signal)).resources;
      } catch (error) {
        if (grpcCodeOf(error) === grpcCode.notFound) return [];
        throw error;
      }
    });
    return held.flat();
  }

  /** Downloads come first: whoever begins one holds it from its begin on. */
  async function listIngests(signal: AbortSignal): Promise<Leftover[]> {
    const { statuses } = await client.unary(content.listStatuses, { filters: [] }, signal);
    if (statuses.length === 0) return [];
    const held = new Set((await listHeld(signal)).filter(({ type }) => type === 'ingests').map(({ id }) => id));
    return statuses.filter(({ ref }) => !held.has(ref)).map(toIngestLeftover);
  }

  async function listExpired(signal: AbortSignal): Promise<Leftover[]> {
    return (await listLeases(signal))
      .filter((lease) => isExpired(lease, now()))
      .map((lease) => ({
        kind: 'lease',
        id: lease.id,
        name: lease.id,
        bytes: undefined,
        unusedSince: expiryOf(lease),
      }));
  }

  async function listSnapshots(signal: AbortSignal): Promise<Leftover[]> {
    return await listSnapshotLeftovers(client, await snapshotterOf(signal), listHeld, signal);
  }

  /** What it holds goes at the collector's next run, and this waits for it. */
  async function removeLease(id: string, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'> {
    const lease = (await listLeases(signal)).find((candidate) => candidate.id === id);
    if (lease === undefined) return 'absent';
    if (!isExpired(lease, now())) return 'in_use';
    return await removed(client.unary(leases.delete, { id, sync: true }, signal, { deadlineMs: removeDeadlineMs }));
  }

  async function removeIngest(leftover: Leftover, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'> {
    const { statuses } = await client.unary(content.listStatuses, { filters: [] }, signal);
    if (!statuses.some(({ ref }) => ref === leftover.id)) return 'absent';
    const same = (await listIngests(signal)).find(({ id }) => id === leftover.id);
    // One that grew is being written, though no lease holds it.
    if (same === undefined || same.unusedSince !== leftover.unusedSince) return 'in_use';
    return await removed(client.unary(content.abort, { ref: leftover.id }, signal));
  }

  return {
    async list(kinds, signal) {
      const snapshotter = await snapshotterOf(signal);
      const found = await Promise.all([
        kinds.has('ingest') ? listIngests(signal) : [],
        kinds.has('snapshot') ? listSnapshots(signal) : [],
        kinds.has('lease') ? listExpired(signal) : [],
        kinds.has('namespace') ? listNamespaceLeftovers(client, snapshotter, namespace, signal) : [],
      ]);
      return found.flat();
    },

    async remove(leftover, signal) {
      switch (leftover.kind) {
        case 'ingest':
          return await removeIngest(leftover, signal);
        case 'lease':
          return await removeLease(leftover.id, signal);
        case 'snapshot':
          return await removeSnapshot(client, await snapshotterOf(signal), leftover.id, listSnapshots, signal);
        case 'namespace':
          return 'in_use';
        default:
          return 'absent';
      }
    },
  };
}

/** `removed` or `absent`, by what the call says. */
async function removed(call: Promise<unknown>): Promise<'removed' | 'absent'> {
  try {
    await call;
    return 'removed';
  } catch (error) {
    if (grpcCodeOf(error) === grpcCode.notFound) return 'absent';
    throw error;
  }
}

function toIngestLeftover({ ref, offset, updated_at }: IngestStatus): Leftover {
  return { kind: 'ingest', id: ref, name: ref, bytes: Number(offset), unusedSince: toEpochMs(updated_at) };
}

/** Undefined for a lease without a time, or with one that containerd cannot read: it never expires. */
function expiryOf({ labels }: Lease): number | undefined {
  const at = Date.parse(labels[expireLabel] ?? '');
  return Number.isNaN(at) ? undefined : at;
}

function isExpired(lease: Lease, at: number): boolean {
  return (expiryOf(lease) ?? at) < at;
}
