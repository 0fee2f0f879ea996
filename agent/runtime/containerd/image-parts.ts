/**
 * What images are made of on disk: blobs, and the snapshots of their unpacked layers, as the labels tell that keep containerd's collector
 * away. What the collector would not keep for an image does not come back with it either.
 */

import { Failure } from '../../core/failure.ts';
import { mapBounded } from '../bounded.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { ImagePart } from '../runtime.ts';
import { content, type SnapshotKey, snapshots } from './containerd-protocol.ts';
import { toContentReferences, toSnapshotReferences } from './document-links.ts';
import type { RecordGroup } from './image-list.ts';
import type { ImageStore } from './store.ts';

export interface ImageParts {
  /** By image id. */
  list(signal: AbortSignal): Promise<ReadonlyMap<string, readonly ImagePart[]>>;
  /** As the last list had it; undefined where there was none, or the image was not in it. */
  lastOf(imageId: string): readonly ImagePart[] | undefined;
}

interface Blob {
  readonly part: ImagePart;
  readonly references: readonly string[];
  readonly topChainIds: readonly string[];
}

type Blobs = ReadonlyMap<string, Blob>;

/** Of ext4 and xfs as they are made by default. */
const blockBytes = 4_096;
const parallelCalls = 16;
/** The snapshot's own folder and `work` in it: overlayfs counts what lies in `fs` alone (containerd 1.6 to 2.1). */
const overlayfsFolders = 2;

export function createImageParts(
  client: GrpcClient,
  store: Pick<ImageStore, 'listRecords' | 'listSnapshots'>,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
): ImageParts {
  /** By snapshot name: a committed snapshot never changes. */
  const sizes = new Map<string, ImagePart>();
  let last: ReadonlyMap<string, readonly ImagePart[]> = new Map();

  async function listBlobs(snapshotter: string, signal: AbortSignal): Promise<Blobs> {
    const blobs = new Map<string, Blob>();
    for await (const { info } of client.stream(content.listLabelled, { filters: [] }, signal)) {
      for (const { digest, size, labels } of info) {
        blobs.set(digest, {
          part: toContentPart({ digest, size }),
          references: toContentReferences(labels),
          topChainIds: toSnapshotReferences(labels, snapshotter),
        });
      }
    }
    return blobs;
  }

  async function askUsage(snapshotter: string, names: readonly string[], signal: AbortSignal): Promise<void> {
    await mapBounded(names, parallelCalls, async (name) => {
      try {
        const usage = await client.unary(snapshots.usage, { snapshotter, key: name }, signal);
        sizes.set(name, toSnapshotPart({ snapshotter, key: name }, usage));
      } catch (error) {
        // It went since it was listed.
        if (!(error instanceof Failure && error.code === 'not_found')) throw error;
      }
    });
  }

  return {
    async list(signal) {
      const snapshotter = await snapshotterOf(signal);
      // Records come first: what a record needs is there when the rest is listed.
      const groups = await store.listRecords(signal);
      const [blobs, parents] = await Promise.all([listBlobs(snapshotter, signal), store.listSnapshots(signal)]);
      const piles = groups.map((group) => ({ imageId: group.imageId, ...toPile(group, blobs, parents) }));
      for (const name of sizes.keys()) if (!parents.has(name)) sizes.delete(name);
      const needed = new Set(piles.flatMap(({ layers }) => [...layers]));
      await askUsage(
        snapshotter,
        [...needed].filter((name) => !sizes.has(name)),
        signal,
      );
      last = new Map(
        piles.map(({ imageId, documents, layers }) => {
          const unpacked = [...layers].map((name) => sizes.get(name)).filter((part) => part !== undefined);
          return [imageId, [...documents, ...unpacked]];
        }),
      );
      return last;
    },

    lastOf: (imageId) => last.get(imageId),
  };
}

export function toContentPart({ digest, size }: { readonly digest: string; readonly size: string }): ImagePart {
  const bytes = Math.ceil(Number(size) / blockBytes) * blockBytes;
  return { key: digest, store: 'content', bytes, inodes: 1 };
}

export function toSnapshotPart(
  { snapshotter, key }: SnapshotKey,
  { size, inodes }: { readonly size: string; readonly inodes: string },
): ImagePart {
  const folders = snapshotter === 'overlayfs' ? overlayfsFolders : 0;
  return {
    key: `snapshot:${key}`,
    store: 'snapshot',
    bytes: Number(size) + folders * blockBytes,
    inodes: Number(inodes) + folders,
  };
}

interface Pile {
  readonly documents: readonly ImagePart[];
  /** Names of snapshots. */
  readonly layers: ReadonlySet<string>;
}

/** Everything that an image's records lead to and that is here. */
function toPile({ records }: RecordGroup, blobs: Blobs, parents: ReadonlyMap<string, string>): Pile {
  const reached = new Map<string, ImagePart>();
  const layers = new Set<string>();
  const open = records.flatMap(({ labels, target }) => [target?.digest ?? '', ...toContentReferences(labels)]);
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    const blob = blobs.get(digest);
    if (blob === undefined || reached.has(digest)) continue;
    reached.set(digest, blob.part);
    open.push(...blob.references);
    for (const top of blob.topChainIds) addChain(top, parents, layers);
  }
  return { documents: [...reached.values()], layers };
}

function addChain(top: string, parents: ReadonlyMap<string, string>, into: Set<string>): void {
  for (let name: string | undefined = top; name !== undefined && name !== '' && !into.has(name); ) {
    const parent = parents.get(name);
    if (parent !== undefined) into.add(name);
    name = parent;
  }
}
