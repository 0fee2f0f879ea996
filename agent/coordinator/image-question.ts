import type { WantedImage } from '../core/demand.ts';
import type { ImageReference } from '../core/image-reference.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import type { ResolvedImage, WarmState } from '../core/resolution.ts';
import type { Harbor, HarborLogin } from '../registry/harbor.ts';
import type { ImageSource, SourceImage } from '../registry/image-source.ts';
import { registryLane } from './breaker.ts';
import type { PolicyBook } from './policy-book.ts';
import type { Round } from './round.ts';

/** One image, asked after in one round. */
export interface ImageQuestion {
  readonly wanted: Pick<WantedImage, 'reference' | 'platforms'>;
  readonly reference: ImageReference;
  readonly login: HarborLogin;
  readonly before: ResolvedImage | undefined;
  /** What Harbor's list of artifacts says that the tag points to; undefined: nobody listed it. */
  readonly listedDigest: string | undefined;
  readonly round: Round;
}

/** What answers need beside the question. */
export interface AnswerParts {
  readonly source: Pick<ImageSource, 'headManifest' | 'readImage' | 'readChildren'>;
  readonly harbor: Pick<Harbor, 'readArtifact'>;
  readonly policy: PolicyBook;
  readonly read: ReadBook;
  readonly warms: () => boolean;
}

/** Which platforms an index was already read for, so that one that it does not have is not looked for in every round. */
export class ReadBook {
  readonly #read = new Map<string, Map<string, SourceImage>>();

  /** What a digest of a reference was found to be, where all the platforms were asked for then. */
  find(reference: string, digest: string, platforms: readonly string[]): SourceImage | undefined {
    const image = this.#read.get(reference)?.get(digest);
    if (image === undefined) return undefined;
    const known = new Set(askedFor(image));
    return platforms.every((platform) => known.has(platform)) ? image : undefined;
  }

  /** Under its own digest: by tag it may have been another one that HEAD named just before. */
  keep(reference: string, image: SourceImage): void {
    const { digest } = image;
    const images = this.#read.get(reference) ?? new Map<string, SourceImage>();
    images.delete(digest);
    // An index behind a proxy has two forms, and a release may come while it changes between them.
    images.set(digest, image);
    for (const oldest of images.keys()) {
      if (images.size <= mostForms) break;
      images.delete(oldest);
    }
    this.#read.set(reference, images);
  }

  /** What is not desired any more. */
  retain(references: ReadonlySet<string>): void {
    for (const reference of this.#read.keys()) if (!references.has(reference)) this.#read.delete(reference);
  }
}

const mostForms = 4;

function askedFor(image: SourceImage): string[] {
  return [
    ...image.platforms.map(({ platform }) => platform),
    ...(image.refused ?? []).map(({ platform }) => platform),
    ...image.missing,
  ].map((platform) => formatPlatform(platform));
}

export async function readWanted(
  { source, read }: Pick<AnswerParts, 'source' | 'read'>,
  { wanted, login, round }: Pick<ImageQuestion, 'wanted' | 'login' | 'round'>,
  reference: ImageReference,
  isProxied: boolean,
  signal: AbortSignal,
): Promise<SourceImage> {
  const platforms = wanted.platforms.map(parsePlatform);
  const work = (limited: AbortSignal) => source.readImage(reference, platforms, login.credentials, limited);
  const image = isProxied
    ? await round.throughProxy(reference, signal, work)
    : await round.breaker.ask(registryLane(reference.registry), signal, work);
  read.keep(wanted.reference, image);
  return image;
}

/**
 * As far as the index tells, with blank children (`isBlank`) where somebody warms: some 200 s after it was asked for a child's manifest Harbor 2.15.2
 * fetches all its blobs, of all such images at the same time.
 */
export async function readProxied(
  parts: Pick<AnswerParts, 'source' | 'read' | 'warms'>,
  question: Pick<ImageQuestion, 'wanted' | 'login' | 'round' | 'reference'>,
  signal: AbortSignal,
): Promise<SourceImage> {
  const { wanted, login, round, reference } = question;
  if (!parts.warms()) return readWanted(parts, question, reference, true, signal);
  const platforms = wanted.platforms.map(parsePlatform);
  const { digest, isIndex, children, missing, unknown } = await round.throughProxy(reference, signal, (limited) =>
    parts.source.readChildren(reference, platforms, login.credentials, limited),
  );
  if (unknown.length > 0) return readWanted(parts, question, reference, true, signal);
  const blank = children.map((child) => ({ ...child, config: { digest: child.digest, sizeBytes: 0 }, layers: [] }));
  const image = { digest, isIndex, platforms: blank, missing };
  parts.read.keep(wanted.reference, image);
  return image;
}

/** Of a child that was known before it stays what it was; where nobody warms there is nothing to wait for. */
export function toWarmState(
  before: ResolvedImage | undefined,
  isProxied: boolean,
  warms: boolean,
): (platform: string, digest: string) => WarmState {
  return (platform, digest) => {
    if (!isProxied) return 'unneeded';
    const known = before?.platforms.find((one) => one.platform === platform && one.digest === digest)?.warm;
    if (known === 'warm' || known === 'given_up') return known;
    return warms ? 'cold' : 'unneeded';
  };
}
