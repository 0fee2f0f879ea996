/** From what a reference names to the one image that this node would pull. */

import { Failure } from '../core/failure.ts';
import { toChainIds } from '../core/layers.ts';
import { formatPlatform, type Platform, rankPlatform, toPlatformCandidates } from '../core/platform.ts';
import { type ImageConfig, type ManifestDocument, parseImageConfig } from './manifest-document.ts';
import type { ManifestSummary } from './registry.ts';
import type { ReadManifest, RepositoryReader } from './repository-reader.ts';
import type { RegistryLog } from './transport.ts';

/** Indexes may hold indexes; nobody needs more levels. */
const maxDepth = 3;
/** Manifests that are read only to learn their platform. */
const maxUnlabelled = 8;

type Image = Extract<ManifestDocument, { kind: 'image' }>;

export type IndexReader = Pick<RepositoryReader, 'manifest' | 'blob'>;

export interface FoundImage {
  readonly manifestDigest: string;
  readonly image: Image;
  readonly config: ImageConfig | undefined;
}

export interface Selection {
  readonly summary: ManifestSummary;
  /** False where the config could not be read this time. */
  readonly isComplete: boolean;
}

/**
 * @throws Failure `no_platform` where nothing runs on the platform, or where it is no image at all; else as the reader.
 */
export async function selectImage(
  top: ReadManifest,
  platform: Platform,
  reader: RepositoryReader,
  log: RegistryLog | undefined,
): Promise<Selection> {
  const { document, subject } = top;
  if (document.kind === 'artifact') throw notAnImage(subject, document.type);
  const found =
    document.kind === 'image'
      ? { manifestDigest: top.digest, image: document, config: undefined }
      : await findInIndex(document, 1, platform, reader);
  if (found === undefined) {
    throw new Failure('no_platform', `${subject} has no image for ${formatPlatform(platform)}${offered(document)}`);
  }
  const config = found.config ?? (await readConfig(found.image, reader, log));
  const { image, manifestDigest } = found;
  const summary: ManifestSummary = {
    digest: top.digest,
    manifestDigest,
    imageId: image.config.digest,
    configBytes: image.config.sizeBytes,
    layers: image.layers.map(({ digest, sizeBytes }) => ({ digest, sizeBytes })),
    chainIds: config?.diffIds.length === image.layers.length ? toChainIds(config.diffIds) : undefined,
  };
  return { summary, isComplete: config !== undefined };
}

/** The best match for the platform, as deep as indexes are read; undefined: nothing in it runs there. */
export async function findInIndex(
  index: Extract<ManifestDocument, { kind: 'index' }>,
  depth: number,
  platform: Platform,
  reader: IndexReader,
): Promise<FoundImage | undefined> {
  let unlabelled = 0;
  for (const entry of toPlatformCandidates(platform, index.entries)) {
    if (entry.platform === undefined && ++unlabelled > maxUnlabelled) return undefined;
    const child = await reader.manifest(entry.digest);
    if (child.document.kind === 'index' && depth < maxDepth) {
      const nested = await findInIndex(child.document, depth + 1, platform, reader);
      if (nested !== undefined) return nested;
    }
    if (child.document.kind !== 'image') continue;
    const found = { manifestDigest: child.digest, image: child.document };
    if (entry.platform !== undefined) return { ...found, config: undefined };
    const config = parseImageConfig(await reader.blob(child.document.config.digest));
    if (config?.platform !== undefined && rankPlatform(platform, config.platform) !== undefined)
      return { ...found, config };
  }
  return undefined;
}

export function notAnImage(subject: string, type: string): Failure {
  return new Failure('no_platform', `${subject} is not a container image but ${type}`);
}

/** Sizes are worth having without chain ids: whatever fails here fails only the config. */
async function readConfig(
  image: Image,
  reader: RepositoryReader,
  log: RegistryLog | undefined,
): Promise<ImageConfig | undefined> {
  try {
    return parseImageConfig(await reader.blob(image.config.digest));
  } catch (error) {
    reader.signal.throwIfAborted();
    const failure = Failure.from(error);
    log?.debug({ code: failure.code, error: failure.message }, 'image config not read');
    return undefined;
  }
}

function offered(document: ManifestDocument): string {
  if (document.kind !== 'index') return '';
  const names = document.entries.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [formatPlatform(platform)],
  );
  return names.length === 0 ? '' : `, only for ${[...new Set(names)].slice(0, 12).join(', ')}`;
}
