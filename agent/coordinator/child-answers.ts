/** What Harbor says of children that it holds, in the records. Pure. */

import { parseReference, repositoryName } from '../core/image-reference.ts';
import type { ResolvedFailure, ResolvedImage, ResolvedPlatform, Resolutions } from '../core/resolution.ts';
import type { RefusedChild } from './scan-watch.ts';
import type { WarmOrder } from './warm-events.ts';

export interface ChildAnswer {
  /** Undefined: it is given out. */
  readonly refusal: ResolvedFailure | undefined;
  /** What its manifest says, where it was read. */
  readonly read?: Pick<ResolvedPlatform, 'imageId' | 'sizeBytes'> | undefined;
}

/** Repository and digest of a child. */
export function childKey(
  { reference }: { readonly reference: string },
  { digest }: { readonly digest: string },
): string {
  return `${repositoryName(parseReference(reference))}@${digest}`;
}

export function withAnswers(image: ResolvedImage, answers: ReadonlyMap<string, ChildAnswer>): ResolvedImage {
  if (answers.size === 0) return image;
  const platforms = image.platforms.map((child) => {
    const answer = answers.get(childKey(image, child));
    return { ...withAnswer(child, answer), ...answer?.read };
  });
  // The tag of an image without an index is refused as its only manifest is.
  const { digest, refusal } = image;
  const own = digest === undefined || refusal === undefined ? undefined : answers.get(childKey(image, { digest }));
  return { ...withAnswer(image, own), platforms };
}

function withAnswer<Record extends { readonly refusal?: ResolvedFailure }>(
  record: Record,
  answer: ChildAnswer | undefined,
): Record | Omit<Record, 'refusal'> {
  if (answer === undefined) return record;
  const { refusal: _before, ...rest } = record;
  return answer.refusal === undefined ? rest : { ...rest, refusal: answer.refusal };
}

/** What Harbor holds and does not give out. */
export function findRefused(
  resolutions: Resolutions,
  credentials: ReadonlyMap<string, WarmOrder['credentials']>,
): RefusedChild[] {
  return [...resolutions.images.values()].flatMap((image) => {
    const { reference, isProxied, refusal, digest, platforms } = image;
    const order = { reference, credentials: credentials.get(reference) ?? [] };
    return platforms
      .filter((child) => isProxied && (child.refusal ?? (child.digest === digest ? refusal : undefined)) !== undefined)
      .map((child) => ({ key: childKey(image, child), order, child }));
  });
}
