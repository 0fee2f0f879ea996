/** Removes an image from containerd, which itself refuses nothing: unless something uses it, also something that appears meanwhile. */

import { sleep } from '../../core/sleep.ts';
import { mapBounded } from '../bounded.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import type { ImagePart, Removal } from '../runtime.ts';
import { images } from './containerd-protocol.ts';
import { isImageUsed } from './image-users.ts';
import type { RemovalJournal } from './removal-journal.ts';
import { createRemovalLeases } from './removal-lease.ts';
import {
  describeImage,
  findRecord,
  isDocumentPresent,
  isSnapshotPresent,
  readParts,
  selectGone,
} from './removed-image.ts';
import type { ImageStore } from './store.ts';

export interface ImageRemoval {
  /** As `Runtime.removeImage`. */
  remove(imageId: string, signal: AbortSignal): Promise<Removal>;
  /** Of every removal that somebody began and nobody ended. @returns the ids of images that got names back */
  undo(signal: AbortSignal): Promise<readonly string[]>;
}

/**
 * A container that is being made shows some time after its client asked for it: on two cores with a load of ten, 20 ms for half of
 * them, 85 ms for 98 of 100 (containerd 1.6.20, 1.7.24, 2.1.9). One that takes longer than this finds its image gone and fails, as it would had
 * it begun later.
 */
const courtesyMs = 25;
/** Where the collector cannot tell by itself whether a container has come, this must be longer than any takes to show. */
const patienceMs = 200;
const parallelCalls = 16;
/** A removal that has begun is carried through; every call of it has its own deadline. */
const never = new AbortController().signal;

export function createImageRemoval(
  client: GrpcClient,
  store: Pick<ImageStore, 'listRecords'>,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
  /** What is known already of what an image is made of. */
  knownParts: (imageId: string) => readonly ImagePart[] | undefined = () => undefined,
): ImageRemoval {
  const leases = createRemovalLeases(client);
  const underWay = new Set<string>();

  async function describe(imageId: string, signal: AbortSignal): Promise<RemovalJournal | undefined> {
    const group = (await store.listRecords(signal)).find((candidate) => candidate.imageId === imageId);
    const named = new Map(group?.records.map(({ name, target }) => [name, target?.digest ?? '']));
    return await describeImage(client, imageId, named, await snapshotterOf(signal), signal);
  }

  /** By then: `atMs` on the clock of `performance.now`. */
  async function isUsedBy(atMs: number, image: RemovalJournal): Promise<boolean> {
    await sleep(Math.max(0, atMs - performance.now()), never);
    return await isImageUsed(client, image, never);
  }

  async function hasDocuments({ documents }: RemovalJournal): Promise<boolean> {
    return !(await mapBounded(documents, parallelCalls, (digest) => isDocumentPresent(client, digest, never))).includes(
      false,
    );
  }

  /** Puts back every name that is missing, where what it named can still be had. @returns how many; undefined where it cannot */
  async function restore(journal: RemovalJournal): Promise<number | undefined> {
    // The hold comes first: what is here after it stays here.
    await leases.hold(journal, never);
    const whole = await hasDocuments(journal);
    let restored = 0;
    if (whole) for (const record of journal.records) restored += (await createRecord(client, record)) ? 1 : 0;
    await leases.untie(journal, never);
    await leases.letGo(journal, false, never);
    await leases.close(journal, never);
    return whole ? restored : undefined;
  }

  async function open(imageId: string, signal: AbortSignal): Promise<RemovalJournal | Removal> {
    const journal = await describe(imageId, signal);
    if (journal === undefined) return { kind: 'absent' };
    if (await isImageUsed(client, journal, signal)) return { kind: 'in_use' };
    signal.throwIfAborted();
    if (await leases.open(journal, never)) return journal;
    // An earlier removal of the image was cut off: it is undone first, for it may have taken names already.
    const earlier = (await leases.list(signal)).find((candidate) => candidate.imageId === imageId);
    if (earlier !== undefined) await restore(earlier);
    else await leases.close(journal, never);
    return await open(imageId, signal);
  }

  /** Nothing is gone yet: an abort is heeded. @returns whether the collector can decide the removal by itself */
  async function secure(journal: RemovalJournal, signal: AbortSignal): Promise<boolean> {
    try {
      await leases.hold(journal, never);
      const tied = await leases.tie(journal, never);
      signal.throwIfAborted();
      return tied;
    } catch (error) {
      await restore(journal).catch(() => undefined);
      throw error;
    }
  }

  async function carryThrough(journal: RemovalJournal, tied: boolean, signal: AbortSignal): Promise<Removal> {
    const snapshotter = await snapshotterOf(never);
    await deleteRecords(journal);
    const deletedAt = performance.now();
    const [used, parts] = await Promise.all([
      isUsedBy(deletedAt + (tied ? courtesyMs : patienceMs), journal),
      knownParts(journal.imageId) ?? readParts(client, journal, snapshotter, never),
    ]);
    // Until the collector runs everything can still be had back: an abort puts it back, as its failure does.
    if (!used) signal.throwIfAborted();
    if (used) return await putBack(journal, parts, snapshotter);
    await leases.letGo(journal, true, never);
    if ((await hasDocuments(journal)) && (await isStillNeeded(journal, deletedAt + patienceMs))) {
      return await putBack(journal, parts, snapshotter);
    }
    const [freed] = await Promise.all([selectGone(client, parts, snapshotter, never), leases.close(journal, never)]);
    return { kind: 'removed', freed };
  }

  /** After a failure none of the deletions is still on its way. */
  async function deleteRecords({ records }: RemovalJournal): Promise<void> {
    const done = await Promise.allSettled(records.map((record) => deleteRecord(client, record)));
    for (const result of done) if (result.status === 'rejected') throw result.reason;
  }

  /** The collector has left the documents: for a container that came in time, for a new pull, or for a lease or an image that shares layers. */
  async function isStillNeeded(journal: RemovalJournal, byMs: number): Promise<boolean> {
    const named = await mapBounded(journal.records, parallelCalls, ({ name }) => findRecord(client, name, never));
    if (named.some((record) => record !== undefined && journal.documents.includes(record.target.digest))) return true;
    const held = await mapBounded(journal.tops, parallelCalls, (top) => isSnapshotPresent(client, top, never));
    if (!held.includes(true)) return false;
    if (await isUsedBy(byMs, journal)) return true;
    await leases.untie(journal, never);
    await leases.collect(never);
    return false;
  }

  async function putBack(journal: RemovalJournal, parts: readonly ImagePart[], snapshotter: string): Promise<Removal> {
    if ((await restore(journal)) !== undefined) return { kind: 'in_use' };
    return { kind: 'removed', freed: await selectGone(client, parts, snapshotter, never) };
  }

  return {
    async remove(imageId, signal) {
      underWay.add(imageId);
      try {
        const journal = await open(imageId, signal);
        if ('kind' in journal) return journal;
        const tied = await secure(journal, signal);
        try {
          return await carryThrough(journal, tied, signal);
        } catch (error) {
          // Where this fails too, the journal stays for the next one who undoes removals.
          await restore(journal).catch(() => undefined);
          throw error;
        }
      } finally {
        underWay.delete(imageId);
      }
    },

    async undo(signal) {
      const restored: string[] = [];
      for (const journal of await leases.list(signal)) {
        signal.throwIfAborted();
        if (underWay.has(journal.imageId)) continue;
        if (((await restore(journal)) ?? 0) > 0) restored.push(journal.imageId);
      }
      return restored;
    },
  };
}

/** A name that stands for something else by now is left alone, as is one that is gone. */
async function deleteRecord(client: GrpcClient, record: RemovalJournal['records'][number]): Promise<void> {
  const { name, target } = record;
  // containerd before 2.0 compares no target.
  if ((await findRecord(client, name, never))?.target.digest !== target.digest) return;
  try {
    await client.unary(images.delete, { name, sync: false, target }, never);
  } catch (error) {
    if (grpcCodeOf(error) !== grpcCode.notFound) throw error;
  }
}

/** False where there is one of that name, whatever it stands for. */
async function createRecord(client: GrpcClient, image: RemovalJournal['records'][number]): Promise<boolean> {
  try {
    await client.unary(images.create, { image }, never);
    return true;
  } catch (error) {
    if (grpcCodeOf(error) === grpcCode.alreadyExists) return false;
    throw error;
  }
}
