/** From an image record's target to the image id and its parts, read from the content store once per digest. */

import { Failure } from '../../core/failure.ts';
import { toChainIds } from '../../core/layers.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { mapBounded } from './bounded.ts';
import { content } from './containerd-protocol.ts';
import { type ImageDocument, parseImageDocument, toCandidates } from './manifest.ts';

/** What a target consists of. Digests never change their meaning: kept for as long as a record names the target. */
export interface ResolvedTarget {
  readonly imageId: string;
  /** Index, manifest and config: the image is broken when one is missing. */
  readonly documents: readonly string[];
  /** Compressed layers; containerd may drop them once unpacked (`discard_unpacked_layers`). */
  readonly layers: readonly string[];
  /** The chain id of the whole stack: a snapshot holds its parents. Undefined for an image without layers. */
  readonly topChainId: string | undefined;
}

export interface TargetResolver {
  /** Targets whose documents are not all there, or are no image of this platform, are left out. */
  resolve(
    targets: ReadonlySet<string>,
    signal: AbortSignal,
    isPresent?: (digest: string) => boolean,
  ): Promise<ReadonlyMap<string, ResolvedTarget>>;
  /** Forgets what no record names any more. */
  keepOnly(targets: ReadonlySet<string>): void;
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

  async function read(
    digest: string,
    path: readonly string[],
    isPresent: (digest: string) => boolean,
    signal: AbortSignal,
  ): Promise<ResolvedTarget | undefined> {
    if (!isPresent(digest) || path.length > maxIndexDepth) return undefined;
    const document = await readDocument(digest, signal);
    if (document?.kind === 'index') {
      for (const candidate of toCandidates(document)) {
        const found = await read(candidate, [...path, digest], isPresent, signal);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    if (document?.kind !== 'manifest' || !isPresent(document.config.digest)) return undefined;
    const config = await readDocument(document.config.digest, signal);
    if (config?.kind !== 'config') return undefined;
    return {
      imageId: document.config.digest,
      documents: [...path, digest, document.config.digest],
      layers: document.layers.map((layer) => layer.digest),
      topChainId: toChainIds(config.diffIds).at(-1),
    };
  }

  return {
    async resolve(targets, signal, isPresent = () => true) {
      const missing = [...targets].filter((digest) => !known.has(digest));
      await mapBounded(missing, parallelReads, async (digest) => {
        const resolved = await read(digest, [], isPresent, signal);
        if (resolved !== undefined) known.set(digest, resolved);
      });
      const found = new Map<string, ResolvedTarget>();
      for (const digest of targets) {
        const resolved = known.get(digest);
        if (resolved?.documents.every(isPresent)) found.set(digest, resolved);
      }
      return found;
    },

    keepOnly(targets) {
      for (const digest of known.keys()) if (!targets.has(digest)) known.delete(digest);
    },
  };
}
