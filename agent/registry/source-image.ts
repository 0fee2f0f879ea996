/** One image for several platforms: its index and their children, each read once. */

import { Failure } from '../core/failure.ts';
import { type Platform, toPlatformCandidates } from '../core/platform.ts';
import type { SourceChildren, SourceImage, SourcePlatform, SourceRefusal } from './image-source.ts';
import { type Descriptor, isImageType, type ManifestDocument } from './manifest-document.ts';
import type { ReadManifest, RepositoryReader } from './repository-reader.ts';
import { findInIndex, type IndexReader, notAnImage } from './selection.ts';

export async function readSourceImage(
  tagOrDigest: string,
  platforms: readonly Platform[],
  reader: RepositoryReader,
): Promise<SourceImage> {
  const { digest, document, subject } = await reader.manifest(tagOrDigest);
  if (document.kind === 'artifact') throw notAnImage(subject, document.type);
  if (document.kind === 'image') {
    const all = platforms.map((platform) => toSourcePlatform(platform, digest, document));
    return { digest, isIndex: false, platforms: all, missing: [] };
  }
  const { reader: children, refusals } = readOnce(reader);
  const found: SourcePlatform[] = [];
  const missing: Platform[] = [];
  const refused: SourceRefusal[] = [];
  for (const platform of platforms) {
    try {
      const child = await findInIndex(document, 1, platform, children);
      if (child === undefined) missing.push(platform);
      else found.push(toSourcePlatform(platform, child.manifestDigest, child.image));
    } catch (error) {
      const refusal = error instanceof Failure ? refusals.get(error) : undefined;
      if (refusal === undefined || !(error instanceof Failure)) throw error;
      refused.push({ platform, digest: refusal, failure: error });
    }
  }
  return { digest, isIndex: true, platforms: found, missing, ...(refused.length === 0 ? {} : { refused }) };
}

/** As `ImageSource.readChildren`. */
export async function readSourceChildren(
  tagOrDigest: string,
  platforms: readonly Platform[],
  reader: RepositoryReader,
): Promise<SourceChildren> {
  const head = await reader.head(tagOrDigest);
  const toSingle = (digest: string): SourceChildren => {
    const children = platforms.map((platform) => ({ platform, digest }));
    return { digest, isIndex: false, children, missing: [], unknown: [] };
  };
  if (isImageType(head.contentType)) return toSingle(head.digest);
  const { digest, document, subject } = await reader.manifest(head.digest);
  if (document.kind === 'artifact') throw notAnImage(subject, document.type);
  if (document.kind === 'image') return toSingle(digest);
  const children: { platform: Platform; digest: string }[] = [];
  const missing: Platform[] = [];
  const unknown: Platform[] = [];
  for (const platform of platforms) {
    const [best] = toPlatformCandidates(platform, document.entries);
    if (best === undefined) missing.push(platform);
    else if (best.platform === undefined) unknown.push(platform);
    else children.push({ platform, digest: best.digest });
  }
  return { digest, isIndex: true, children, missing, unknown };
}

/** Platforms share children: each is asked for once. What policy refuses is kept with the digest that it is about. */
function readOnce(reader: RepositoryReader): { reader: IndexReader; refusals: ReadonlyMap<Failure, string> } {
  const manifests = new Map<string, Promise<ReadManifest>>();
  const blobs = new Map<string, Promise<Buffer>>();
  const refusals = new Map<Failure, string>();
  const manifest = async (digest: string): Promise<ReadManifest> => {
    const reading = manifests.get(digest) ?? reader.manifest(digest);
    manifests.set(digest, reading);
    try {
      return await reading;
    } catch (error) {
      if (error instanceof Failure && error.code === 'policy') refusals.set(error, digest);
      throw error;
    }
  };
  const blob = (digest: string): Promise<Buffer> => {
    const reading = blobs.get(digest) ?? reader.blob(digest);
    blobs.set(digest, reading);
    return reading;
  };
  return { reader: { manifest, blob }, refusals };
}

function toSourcePlatform(
  platform: Platform,
  digest: string,
  { config, layers }: Extract<ManifestDocument, { kind: 'image' }>,
): SourcePlatform {
  return { platform, digest, config: toLayer(config), layers: layers.map(toLayer) };
}

function toLayer({ digest, sizeBytes }: Descriptor): { digest: string; sizeBytes: number } {
  return { digest, sizeBytes };
}
