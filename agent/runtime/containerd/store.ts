/** Looks at containerd's image, content and snapshot stores: one list call each, details once per digest. */

import { Failure } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { PresentLayers, RuntimeImage } from '../runtime.ts';
import { mapBounded } from '../bounded.ts';
import { content, type ImageRecord, images, listImageSizes, snapshots } from './containerd-protocol.ts';
import { type DocumentLinks, toDocumentLinks, toLinkFilters } from './document-links.ts';
import {
  groupRecords,
  type ImageIdentities,
  type RecordGroup,
  toIdentities,
  toRuntimeImages,
  toTargets,
} from './image-list.ts';
import { createTargetResolver, type LinkedDocuments, type ResolvedTarget, type Targets } from './target-resolver.ts';

export interface ImageStore {
  listImages(signal: AbortSignal): Promise<RuntimeImage[]>;
  listLayers(signal: AbortSignal): Promise<PresentLayers>;
  listRecords(signal: AbortSignal): Promise<RecordGroup[]>;
  /** Committed snapshot → its parent, `''` at the base. */
  listSnapshots(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** By what images can be told from a container. */
  listIdentities(signal: AbortSignal): Promise<ImageIdentities>;
}

const parallelCalls = 16;
const noLinks: DocumentLinks = {};

export function createImageStore(
  client: GrpcClient,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
): ImageStore {
  const resolver = createTargetResolver(client);
  /** Compressed bytes by image id. */
  const sizes = new Map<string, number>();

  /** Blobs that refer to others, so no layers. Their labels are most of the answer: decoded only for a target that is new. */
  async function listDocuments(withLinks: boolean, signal: AbortSignal): Promise<LinkedDocuments> {
    const snapshotter = await snapshotterOf(signal);
    const filters = toLinkFilters(snapshotter);
    const documents = new Map<string, DocumentLinks>();
    if (withLinks) {
      for await (const { info } of client.stream(content.listLabelled, { filters }, signal))
        for (const { digest, labels } of info) documents.set(digest, toDocumentLinks(labels, snapshotter));
    } else {
      for await (const { info } of client.stream(content.list, { filters }, signal))
        for (const { digest } of info) documents.set(digest, noLinks);
    }
    return documents;
  }

  async function listBlobs(signal: AbortSignal): Promise<Set<string>> {
    const blobs = new Set<string>();
    for await (const { info } of client.stream(content.list, { filters: [] }, signal))
      for (const { digest } of info) blobs.add(digest);
    return blobs;
  }

  async function listSnapshots(signal: AbortSignal): Promise<Map<string, string>> {
    const snapshotter = await snapshotterOf(signal);
    const parents = new Map<string, string>();
    const request = { snapshotter, filters: ['kind==committed'] };
    for await (const { info } of client.stream(snapshots.list, request, signal))
      for (const { name, parent } of info) parents.set(name, parent);
    return parents;
  }

  async function readRecords(signal: AbortSignal): Promise<readonly ImageRecord[]> {
    return (await client.unary(images.list, { filters: [] }, signal)).images;
  }

  /** Labels can be lost: a document without any is not among those that were listed. */
  async function isPresent(digest: string, signal: AbortSignal): Promise<boolean> {
    try {
      await client.unary(content.info, { digest }, signal);
      return true;
    } catch (error) {
      if (error instanceof Failure && error.code === 'not_found') return false;
      throw error;
    }
  }

  /** Those whose documents are all there. */
  async function selectWhole(
    resolved: ReadonlyMap<string, ResolvedTarget>,
    listed: LinkedDocuments,
    signal: AbortSignal,
  ): Promise<Map<string, ResolvedTarget>> {
    const whole = new Map(resolved);
    const doubtful = [...resolved].filter(([, { documents }]) => !documents.every((digest) => listed.has(digest)));
    await mapBounded(doubtful, parallelCalls, async ([target, { documents }]) => {
      const unlisted = documents.filter((digest) => !listed.has(digest));
      const present = await Promise.all(unlisted.map((digest) => isPresent(digest, signal)));
      if (present.includes(false)) whole.delete(target);
    });
    return whole;
  }

  async function learnSizes(groups: readonly RecordGroup[], signal: AbortSignal): Promise<void> {
    const ids = new Set(groups.map(({ imageId }) => imageId));
    for (const id of sizes.keys()) if (!ids.has(id)) sizes.delete(id);
    if (groups.every(({ imageId }) => sizes.has(imageId))) return;
    const answer = await client.unary(listImageSizes, {}, signal);
    for (const { id, size } of answer.images) if (ids.has(id)) sizes.set(id, Number(size));
  }

  async function resolve(targets: Targets, signal: AbortSignal): Promise<ReadonlyMap<string, ResolvedTarget>> {
    const linked = resolver.knowsAll(targets) ? new Map() : await listDocuments(true, signal);
    return await resolver.resolve(targets, linked, signal);
  }

  return {
    async listImages(signal) {
      // Records come first: a pull stores its record last, so what a record needs is there when the rest is listed.
      const records = await readRecords(signal);
      const targets = toTargets(records);
      const [documents, parents] = await Promise.all([
        listDocuments(!resolver.knowsAll(targets), signal),
        listSnapshots(signal),
      ]);
      resolver.keepOnly(targets);
      const resolved = await selectWhole(await resolver.resolve(targets, documents, signal), documents, signal);
      const groups = groupRecords(records, targets, resolved);
      await learnSizes(groups, signal);
      return toRuntimeImages(groups, { resolved, snapshots: parents, sizes });
    },

    async listLayers(signal) {
      const [blobs, parents] = await Promise.all([listBlobs(signal), listSnapshots(signal)]);
      return { chainIds: new Set(parents.keys()), blobs };
    },

    async listRecords(signal) {
      const records = await readRecords(signal);
      const targets = toTargets(records);
      return groupRecords(records, targets, await resolve(targets, signal));
    },

    listSnapshots,

    async listIdentities(signal) {
      const records = await readRecords(signal);
      const targets = toTargets(records);
      return toIdentities(records, targets, await resolve(targets, signal));
    },
  };
}
