/** Looks at one image for its removal: what there is to write down before, and what of it is gone after. */

import { Failure } from '../../core/failure.ts';
import { toChainIds } from '../../core/layers.ts';
import { mapBounded } from '../bounded.ts';
import { toImageId } from '../cri/cri-calls.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { ImagePart } from '../runtime.ts';
import {
  content,
  type FullImageRecord,
  images,
  type LabelledInfo,
  listNamespaces,
  type SnapshotKey,
  snapshots,
} from './containerd-protocol.ts';
import { toContentReferences, toSnapshotLinks } from './document-links.ts';
import { toContentPart, toSnapshotPart } from './image-parts.ts';
import { parseImageDocument } from './manifest.ts';
import type { RemovalJournal } from './removal-journal.ts';
import { readBlob } from './target-resolver.ts';

const parallelCalls = 16;

/** Undefined for what is not there. */
async function find<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined;
    throw error;
  }
}

async function readInfo(
  client: GrpcClient,
  digest: string,
  signal: AbortSignal,
  namespace?: string,
): Promise<LabelledInfo | undefined> {
  const options = namespace === undefined ? {} : { headers: { 'containerd-namespace': namespace } };
  return (await find(client.unary(content.info, { digest }, signal, options)))?.info;
}

/** The record as it is now; undefined where there is none. */
export async function findRecord(
  client: GrpcClient,
  name: string,
  signal: AbortSignal,
): Promise<FullImageRecord | undefined> {
  const found = await find(client.unary(images.get, { name }, signal));
  if (found === undefined || found.image.target === null) return undefined;
  return { name, labels: found.image.labels, target: found.image.target };
}

export async function isDocumentPresent(client: GrpcClient, digest: string, signal: AbortSignal): Promise<boolean> {
  return (await readInfo(client, digest, signal)) !== undefined;
}

export async function isSnapshotPresent(client: GrpcClient, key: SnapshotKey, signal: AbortSignal): Promise<boolean> {
  return (await find(client.unary(snapshots.stat, key, signal))) !== undefined;
}

/**
 * Undefined where none of the names is left.
 * @param named the names by which the image was found, with what they stood for
 */
export async function describeImage(
  client: GrpcClient,
  imageId: string,
  named: ReadonlyMap<string, string>,
  snapshotter: string,
  signal: AbortSignal,
): Promise<RemovalJournal | undefined> {
  const found = await mapBounded([...named.keys()], parallelCalls, (name) => findRecord(client, name, signal));
  const records = found
    .filter((record) => record !== undefined)
    .filter(({ name, target }) => named.get(name) === target.digest);
  if (records.length === 0) return undefined;
  const config = toImageId(imageId) === undefined ? undefined : await readInfo(client, imageId, signal);
  const tops = new Map<string, SnapshotKey>();
  for (const top of toSnapshotLinks(config?.labels ?? {})) tops.set(`${top.snapshotter} ${top.key}`, top);
  if (config !== undefined && tops.size === 0) {
    const key = await readTopChainId(client, imageId, signal);
    if (key !== undefined) tops.set(key, { snapshotter, key });
  }
  const documents = new Set(records.map(({ target }) => target.digest));
  if (config !== undefined) documents.add(imageId);
  return { imageId, records, documents: [...documents], tops: [...tops.values()] };
}

/** A container may be made of an image whose config lost its label: its layers are found, or unpacked once more. */
async function readTopChainId(client: GrpcClient, digest: string, signal: AbortSignal): Promise<string | undefined> {
  const bytes = await readBlob(client, digest, signal);
  const document = bytes === undefined ? undefined : parseImageDocument(bytes);
  return document?.kind === 'config' ? toChainIds(document.diffIds).at(-1) : undefined;
}

/** What the image's records lead to, as `listImageParts` tells it for all images. */
export async function readParts(
  client: GrpcClient,
  { records }: Pick<RemovalJournal, 'records'>,
  snapshotter: string,
  signal: AbortSignal,
): Promise<ImagePart[]> {
  const blobs = new Map<string, ImagePart | undefined>();
  const tops = new Set<string>();
  let open = records.flatMap(({ labels, target }) => [target.digest, ...toContentReferences(labels)]);
  while (open.length > 0) {
    const fresh = [...new Set(open)].filter((digest) => !blobs.has(digest));
    const infos = await mapBounded(fresh, parallelCalls, (digest) => readInfo(client, digest, signal));
    for (const [index, digest] of fresh.entries()) {
      const info = infos[index];
      blobs.set(digest, info === undefined ? undefined : toContentPart(info));
      for (const top of toSnapshotLinks(info?.labels ?? {})) if (top.snapshotter === snapshotter) tops.add(top.key);
    }
    open = infos.flatMap((info) => toContentReferences(info?.labels ?? {}));
  }
  const chain = await readChain(client, [...tops], snapshotter, signal);
  const layers = await mapBounded(chain, parallelCalls, async (key) => {
    const usage = await find(client.unary(snapshots.usage, { snapshotter, key }, signal));
    return usage === undefined ? undefined : toSnapshotPart({ snapshotter, key }, usage);
  });
  return [...blobs.values(), ...layers].filter((part) => part !== undefined);
}

async function readChain(
  client: GrpcClient,
  tops: readonly string[],
  snapshotter: string,
  signal: AbortSignal,
): Promise<string[]> {
  const chain = new Set<string>();
  for (const top of tops) {
    for (let key = top; key !== '' && !chain.has(key); ) {
      const found = await find(client.unary(snapshots.stat, { snapshotter, key }, signal));
      if (found === undefined) break;
      chain.add(key);
      key = found.info.parent;
    }
  }
  return [...chain];
}

/** Those that are off the disk: of blobs, those that no other namespace has either (snapshots are never shared between namespaces). */
export async function selectGone(
  client: GrpcClient,
  parts: readonly ImagePart[],
  snapshotter: string,
  signal: AbortSignal,
): Promise<ImagePart[]> {
  const { namespaces } = await client.unary(listNamespaces, {}, signal);
  const isPresent = async (part: ImagePart): Promise<boolean> => {
    if (part.store === 'snapshot')
      return await isSnapshotPresent(client, { snapshotter, key: toSnapshotName(part) }, signal);
    for (const { name } of namespaces) {
      if ((await readInfo(client, part.key, signal, name)) !== undefined) return true;
    }
    return false;
  };
  const present = await mapBounded(parts, parallelCalls, isPresent);
  return parts.filter((_, index) => present[index] === false);
}

function toSnapshotName({ key }: ImagePart): string {
  return key.slice(key.indexOf(':') + 1);
}
