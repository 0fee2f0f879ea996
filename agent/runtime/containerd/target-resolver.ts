/** From an image record's target to the image id and its parts: told by labels where they are, else read, once per digest. */

import { Failure } from '../../core/failure.ts';
import { toChainIds } from '../../core/layers.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { mapBounded } from '../bounded.ts';
import { content } from './containerd-protocol.ts';
import type { DocumentLinks } from './document-links.ts';
import { type ImageDocument, parseImageDocument, toCandidates } from './manifest.ts';

/** What a target consists of. Digests never change their meaning: kept for as long as a record names the target. */
export interface ResolvedTarget {
  readonly imageId: string;
  /** Index, manifest and config: the image is broken when one is missing. */
  readonly documents: readonly string[];
  /** The chain id of the whole stack: a snapshot holds its parents. Undefined for an image without layers. */
  readonly topChainId: string | undefined;
}

/** Digests of targets; with each the image id that the CRI's own record gives it, where there is one. */
export type Targets = ReadonlyMap<string, string | undefined>;

/** The links of the blobs that have some, by digest. */
export type LinkedDocuments = ReadonlyMap<string, DocumentLinks>;

export interface TargetResolver {
  knowsAll(targets: Targets): boolean;
  /** Targets that are no image of this platform, or whose documents are not there to be read, are left out. */
  resolve(targets: Targets, linked: LinkedDocuments, signal: AbortSignal): Promise<ReadonlyMap<string, ResolvedTarget>>;
  /** Forgets what no record names any more. */
  keepOnly(targets: Targets): void;
}

const parallelReads = 16;
const maxIndexDepth = 3;

/** A whole blob; undefined where the content store does not have it. */
export async function readBlob(client: GrpcClient, digest: string, signal: AbortSignal): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  try {
    for await (const { data } of client.stream(content.read, { digest }, signal)) parts.push(data);
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined;
    throw error;
  }
  return Buffer.concat(parts);
}

export function createTargetResolver(client: GrpcClient): TargetResolver {
  const known = new Map<string, ResolvedTarget>();

  async function readDocument(digest: string, signal: AbortSignal): Promise<ImageDocument | undefined> {
    const bytes = await readBlob(client, digest, signal);
    return bytes === undefined ? undefined : parseImageDocument(bytes);
  }

  /**
   * Which of an index's manifests is this node's is told by the CRI's record of the image, and where there is none by the
   * index's platforms: somebody may have fetched others too.
   */
  async function read(
    digest: string,
    imageId: string | undefined,
    path: readonly string[],
    linked: LinkedDocuments,
    signal: AbortSignal,
  ): Promise<ResolvedTarget | undefined> {
    if (path.length > maxIndexDepth) return undefined;
    const here = [...path, digest];
    const { config, manifests = [] } = linked.get(digest) ?? {};
    if (config !== undefined) return await readConfig(config, here, linked, signal);
    const manifest = imageId === undefined ? undefined : manifests.find((m) => linked.get(m)?.config === imageId);
    if (manifest !== undefined && imageId !== undefined) {
      return await readConfig(imageId, [...here, manifest], linked, signal);
    }
    const document = await readDocument(digest, signal);
    if (document?.kind === 'manifest') return await readConfig(document.config.digest, here, linked, signal);
    if (document?.kind !== 'index') return undefined;
    for (const candidate of toCandidates(document)) {
      const found = await read(candidate, imageId, here, linked, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async function readConfig(
    imageId: string,
    path: readonly string[],
    linked: LinkedDocuments,
    signal: AbortSignal,
  ): Promise<ResolvedTarget | undefined> {
    const documents = [...path, imageId];
    const labelled = linked.get(imageId)?.topChainId;
    if (labelled !== undefined) return { imageId, documents, topChainId: labelled };
    const config = await readDocument(imageId, signal);
    if (config?.kind !== 'config') return undefined;
    return { imageId, documents, topChainId: toChainIds(config.diffIds).at(-1) };
  }

  return {
    knowsAll: (targets) => [...targets.keys()].every((digest) => known.has(digest)),

    async resolve(targets, linked, signal) {
      const unknown = [...targets].filter(([digest]) => !known.has(digest));
      await mapBounded(unknown, parallelReads, async ([digest, imageId]) => {
        const resolved = await read(digest, imageId, [], linked, signal);
        if (resolved !== undefined) known.set(digest, resolved);
      });
      const found = new Map<string, ResolvedTarget>();
      for (const digest of targets.keys()) {
        const resolved = known.get(digest);
        if (resolved !== undefined) found.set(digest, resolved);
      }
      return found;
    },

    keepOnly(targets) {
      for (const digest of known.keys()) if (!targets.has(digest)) known.delete(digest);
    },
  };
}
