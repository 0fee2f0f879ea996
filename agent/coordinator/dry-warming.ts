import type { Credential } from '../core/credentials.ts';
import type { Failure } from '../core/failure.ts';
import type { ImageReference } from '../core/image-reference.ts';
import type { ManifestLayer } from '../core/manifest.ts';
import { formatPlatform } from '../core/platform.ts';
import type { ImageSource, SourceChildren, SourcePlatform } from '../registry/image-source.ts';
import { eachBounded } from './bounded.ts';
import type { HandWarmEvent, HandWarmOrder } from './hand-warming-events.ts';
import type { Warmer } from './warmer.ts';

export interface DryParts {
  readonly source: Pick<ImageSource, 'readImage' | 'hasBlob'>;
  readonly warmer: Pick<Warmer, 'isLocal'>;
}

export interface DryQuestion {
  readonly image: HandWarmOrder['images'][number];
  readonly reference: ImageReference;
  readonly credentials: readonly Credential[];
  readonly found: SourceChildren;
  readonly order: Pick<HandWarmOrder, 'dryRun' | 'knownBytes'>;
}

export interface DryPlatform extends Omit<Extract<HandWarmEvent, { kind: 'platform' }>, 'kind' | 'reference'> {
  /** Blobs that Harbor does not have; undefined: nobody looked. */
  readonly missing: readonly ManifestLayer[] | undefined;
}

export interface DryLook {
  readonly platforms: readonly DryPlatform[];
  /** Harbor does not give out the manifest of one of them. */
  readonly refusal: Failure | undefined;
}

const looksAtOnce = 4;
const askedLess = 'its manifest is not read, since Harbor would then fetch the image (--sizes reads it)';
const atMost = 'at most, for that is the whole image';
const unseen = 'the login may not ask Harbor whether it has it (artifact:read)';

/** Whether Harbor has the platforms of an image. @throws Failure */
export async function lookAtPlatforms(question: DryQuestion, parts: DryParts, signal: AbortSignal): Promise<DryLook> {
  const { image, found, order, reference, credentials } = question;
  const platforms: DryPlatform[] = [];
  const open: OpenPlatform[] = found.unknown.map((platform) => ({ platform, digest: undefined, isLocal: undefined }));
  for (const { platform, digest } of found.children) {
    const isLocal = await parts.warmer.isLocal(image, { platform: formatPlatform(platform), digest }, signal);
    if (isLocal !== true) open.push({ platform, digest, isLocal });
    else
      platforms.push({
        ...toNamed({ platform, digest }),
        state: 'warm',
        missingBytes: 0,
        message: undefined,
        missing: [],
      });
  }
  if (open.length === 0) return { platforms, refusal: undefined };
  if (order.dryRun === 'look') {
    return { platforms: [...platforms, ...open.map((one) => toUnread(one, order.knownBytes))], refusal: undefined };
  }
  const asked = open.map(({ platform }) => platform);
  const read = await parts.source.readImage(reference, asked, credentials, signal);
  const isThere = new Map<string, boolean>();
  await eachBounded(read.platforms.flatMap(blobsOf), looksAtOnce, async ({ digest }) => {
    if (!isThere.has(digest)) isThere.set(digest, await parts.source.hasBlob(reference, digest, credentials, signal));
  });
  for (const one of read.platforms) {
    const missing = blobsOf(one).filter(({ digest }) => isThere.get(digest) !== true);
    const isLocal = open.find(({ platform }) => platform === one.platform)?.isLocal;
    platforms.push(toRead(one, missing, isLocal));
  }
  return { platforms, refusal: read.refused?.[0]?.failure };
}

interface OpenPlatform {
  readonly platform: SourcePlatform['platform'];
  readonly digest: string | undefined;
  readonly isLocal: boolean | undefined;
}

function toNamed({ platform, digest }: Pick<OpenPlatform, 'platform' | 'digest'>) {
  return { platform: formatPlatform(platform), digest };
}

function toUnread(open: OpenPlatform, knownBytes: ReadonlyMap<string, number>): DryPlatform {
  const named = { ...toNamed(open), missing: undefined };
  const { digest, isLocal } = open;
  if (digest === undefined) {
    return {
      ...named,
      state: 'unknown',
      missingBytes: undefined,
      message: 'only its manifest tells which it is (--sizes)',
    };
  }
  if (isLocal === undefined) return { ...named, state: 'unknown', missingBytes: undefined, message: unseen };
  const missingBytes = knownBytes.get(digest);
  return { ...named, state: 'cold', missingBytes, message: missingBytes === undefined ? askedLess : atMost };
}

function toRead(one: SourcePlatform, missing: readonly ManifestLayer[], isLocal: boolean | undefined): DryPlatform {
  const missingBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const isUnseen = missing.length === 0 && isLocal === undefined;
  const message = isUnseen ? `all its blobs are there; ${unseen}` : undefined;
  return { ...toNamed(one), state: isUnseen ? 'unknown' : 'cold', missingBytes, message, missing };
}

function blobsOf({ config, layers }: SourcePlatform): readonly ManifestLayer[] {
  return [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
}
