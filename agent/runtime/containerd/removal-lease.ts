/**
 * The two leases of a removal, and the tie that lets containerd's collector itself decide it.
 *
 * - The *journal* holds nothing and says everything (removal-journal.ts). It is the last thing to go.
 * - The *hold* keeps what the records kept, from before the first one goes until nobody was seen to need it.
 * - The *tie* is a label on the image's last snapshot that leads to its documents. The collector (containerd 1.6 to 2.4) follows such labels,
 *   and keeps the snapshot for as long as a container's own layer stands on it. So one run of it takes either everything or, where a container
 *   came before that run, nothing; and it runs under the lock that a new container's layer needs too: none comes in between.
 */

import { createHash, randomUUID } from 'node:crypto';
import { isRuntimeUnavailable } from '../../core/failure.ts';
import { mapBounded } from '../bounded.ts';
import { removeDeadlineMs } from '../cri/cri-calls.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { leases, snapshots } from './containerd-protocol.ts';
import {
  parseJournal,
  type RemovalJournal,
  removalLabel,
  toHeldResources,
  toJournalLabels,
} from './removal-journal.ts';

const holdLabel = 'stevedore.dev/remove-hold';
const collectLabel = 'stevedore.dev/collect';
/** The collector lets a lease go after this time (RFC 3339), whatever became of us. */
const expireLabel = 'containerd.io/gc.expire';
/** With a number behind it. */
export const tieLabel = 'containerd.io/gc.ref.content.stevedore.';
const lifetimeMs = 24 * 3_600_000;
const parallelCalls = 16;

export interface RemovalLeases {
  /** False where there is a journal of this image already. */
  open(journal: RemovalJournal, signal: AbortSignal): Promise<boolean>;
  /** Also where there is a hold already. */
  hold(journal: RemovalJournal, signal: AbortSignal): Promise<void>;
  /** With `collect`: returns when what nothing else holds is off the disk. */
  letGo(journal: RemovalJournal, collect: boolean, signal: AbortSignal): Promise<void>;
  close(journal: RemovalJournal, signal: AbortSignal): Promise<void>;
  /** False where the image has no snapshot to tie its documents to, or the snapshotter takes no labels. */
  tie(journal: RemovalJournal, signal: AbortSignal): Promise<boolean>;
  untie(journal: RemovalJournal, signal: AbortSignal): Promise<void>;
  /** One run of the collector. */
  collect(signal: AbortSignal): Promise<void>;
  /** Every journal that is there, also of removals that are under way. */
  list(signal: AbortSignal): Promise<readonly RemovalJournal[]>;
}

export function createRemovalLeases(client: GrpcClient, now: () => number = Date.now): RemovalLeases {
  async function create(id: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<boolean> {
    const expireAt = new Date(now() + lifetimeMs).toISOString();
    try {
      await client.unary(leases.create, { id, labels: { ...labels, [expireLabel]: expireAt } }, signal);
      return true;
    } catch (error) {
      if (grpcCodeOf(error) === grpcCode.alreadyExists) return false;
      throw error;
    }
  }

  async function remove(id: string, sync: boolean, signal: AbortSignal): Promise<void> {
    try {
      await client.unary(leases.delete, { id, sync }, signal, sync ? { deadlineMs: removeDeadlineMs } : {});
    } catch (error) {
      if (grpcCodeOf(error) !== grpcCode.notFound) throw error;
    }
  }

  /** @returns false where a snapshot is gone, or takes no labels. */
  async function label({ tops, records }: RemovalJournal, tied: boolean, signal: AbortSignal): Promise<boolean> {
    const digests = toHeldResources({ records }).flatMap(({ id, type }) => (type === 'content' ? [id] : []));
    const labels = Object.fromEntries(digests.map((digest, index) => [`${tieLabel}${index}`, digest]));
    const update_mask = { paths: Object.keys(labels).map((key) => `labels.${key}`) };
    const done = await mapBounded(tops, parallelCalls, async ({ snapshotter, key }) => {
      const info = { name: key, labels: tied ? labels : {} };
      try {
        await client.unary(snapshots.update, { snapshotter, info, update_mask }, signal);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if (isRuntimeUnavailable(error)) throw error;
        return false;
      }
    });
    return done.length > 0 && !done.includes(false);
  }

  return {
    open: (journal, signal) => create(toJournalId(journal.imageId), toJournalLabels(journal), signal),

    async hold(journal, signal) {
      const id = toHoldId(journal.imageId);
      await create(id, { [holdLabel]: journal.imageId }, signal);
      await mapBounded(toHeldResources(journal), parallelCalls, (resource) =>
        client.unary(leases.addResource, { id, resource }, signal),
      );
    },

    letGo: ({ imageId }, collect, signal) => remove(toHoldId(imageId), collect, signal),
    close: ({ imageId }, signal) => remove(toJournalId(imageId), false, signal),

    tie: (journal, signal) => label(journal, true, signal),
    untie: async (journal, signal) => void (await label(journal, false, signal)),

    async collect(signal) {
      // Nothing but a synchronous deletion waits for the collector.
      const id = `stevedore-collect-${randomUUID()}`;
      await create(id, { [collectLabel]: 'true' }, signal);
      await remove(id, true, signal);
    },

    async list(signal) {
      const { leases: all } = await client.unary(leases.list, { filters: [`labels."${removalLabel}"`] }, signal);
      return all.map(({ labels }) => parseJournal(labels)).filter((journal) => journal !== undefined);
    },
  };
}

/** Pure. */
export function toJournalId(imageId: string): string {
  return `stevedore-remove-${toHash(imageId)}`;
}

/** Pure. */
export function toHoldId(imageId: string): string {
  return `stevedore-remove-hold-${toHash(imageId)}`;
}

function toHash(imageId: string): string {
  return createHash('sha256').update(imageId).digest('hex').slice(0, 16);
}
