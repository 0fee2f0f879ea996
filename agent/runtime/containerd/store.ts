/** Looks at containerd's image, content and snapshot stores: one list call each, details once per digest. */

import { Failure } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { PresentLayers, RuntimeImage } from '../runtime.ts';
import { mapBounded } from './bounded.ts';
import { content, type ImageRecord, images, snapshots } from './containerd-protocol.ts';
import { groupRecords, type RecordGroup, toRuntimeImages, toSnapshotChain } from './image-list.ts';
import { createTargetResolver, type ResolvedTarget } from './target-resolver.ts';

export interface ImageStore {
  listImages(signal: AbortSignal): Promise<RuntimeImage[]>;
  listLayers(signal: AbortSignal): Promise<PresentLayers>;
  listRecords(signal: AbortSignal): Promise<RecordGroup[]>;
  /** The id of the image that a record's name stands for now; undefined where there is none. */
  findImageId(name: string, signal: AbortSignal): Promise<string | undefined>;
}

const committed = 3;
const parallelCalls = 16;

export function createImageStore(
  client: GrpcClient,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
): ImageStore {
  const resolver = createTargetResolver(client);
  /** On-disk bytes by chain id: a committed snapshot never changes. */
  const usageByChainId = new Map<string, number>();

  async function listBlobs(signal: AbortSignal): Promise<Map<string, number>> {
    const blobs = new Map<string, number>();
    for await (const { info } of client.stream(content.list, { filters: [] }, signal)) {
      for (const { digest, size } of info) blobs.set(digest, Number(size));
    }
    return blobs;
  }

  async function listSnapshots(signal: AbortSignal): Promise<Map<string, string>> {
    const snapshotter = await snapshotterOf(signal);
    const parents = new Map<string, string>();
    for await (const { info } of client.stream(snapshots.list, { snapshotter, filters: [] }, signal)) {
      for (const { name, parent, kind } of info) if (kind === committed) parents.set(name, parent);
    }
    return parents;
  }

  async function readUsage(names: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const snapshotter = await snapshotterOf(signal);
    const unknown = [...names].filter((name) => !usageByChainId.has(name));
    await mapBounded(unknown, parallelCalls, async (key) => {
      try {
        const { size } = await client.unary(snapshots.usage, { snapshotter, key }, signal);
        usageByChainId.set(key, Number(size));
      } catch (error) {
        // Removed since it was listed.
        if (!(error instanceof Failure && error.code === 'not_found')) throw error;
      }
    });
  }

  async function readRecords(signal: AbortSignal): Promise<readonly ImageRecord[]> {
    return (await client.unary(images.list, { filters: [] }, signal)).images;
  }

  function targetsOf(records: readonly ImageRecord[]): Set<string> {
    return new Set(records.map((record) => record.target?.digest).filter((digest) => digest !== undefined));
  }

  function snapshotsOf(resolved: Iterable<ResolvedTarget>, parents: ReadonlyMap<string, string>): Set<string> {
    const names = new Set<string>();
    for (const { topChainId } of resolved)
      for (const name of toSnapshotChain(topChainId, parents) ?? []) names.add(name);
    return names;
  }

  return {
    async listImages(signal) {
      // Records come first: a pull stores its record last, so what a record needs is there when the rest is listed.
      const records = await readRecords(signal);
      const targets = targetsOf(records);
      const [blobs, parents] = await Promise.all([listBlobs(signal), listSnapshots(signal)]);
      const resolved = await resolver.resolve(targets, signal, (digest) => blobs.has(digest));
      resolver.keepOnly(targets);
      const used = snapshotsOf(resolved.values(), parents);
      await readUsage(used, signal);
      for (const name of usageByChainId.keys()) if (!used.has(name)) usageByChainId.delete(name);
      return toRuntimeImages(records, { resolved, blobs, snapshots: parents, usage: usageByChainId });
    },

    async listLayers(signal) {
      const [blobs, parents] = await Promise.all([listBlobs(signal), listSnapshots(signal)]);
      return { chainIds: new Set(parents.keys()), blobs: new Set(blobs.keys()) };
    },

    async listRecords(signal) {
      const records = await readRecords(signal);
      return groupRecords(records, await resolver.resolve(targetsOf(records), signal));
    },

    async findImageId(name, signal) {
      try {
        const { image } = await client.unary(images.get, { name }, signal);
        const resolved = await resolver.resolve(targetsOf([image]), signal);
        return resolved.get(image.target?.digest ?? '')?.imageId;
      } catch (error) {
        if (error instanceof Failure && error.code === 'not_found') return undefined;
        throw error;
      }
    },
  };
}
