/** Records of what was resolved, made from what registries answer. Pure. */

import type { Failure } from '../core/failure.ts';
import { formatPlatform } from '../core/platform.ts';
import type { ResolvedFailure, ResolvedImage, ResolvedPlatform, WarmState } from '../core/resolution.ts';
import { toShortText } from '../core/short-text.ts';
import type { SourceImage, SourcePlatform, SourceRefusal } from '../registry/image-source.ts';

const longestMessageBytes = 500;

export function toResolvedFailure({
  code,
  detail,
  message,
}: Pick<Failure, 'code' | 'detail' | 'message'>): ResolvedFailure {
  return {
    code,
    ...(detail === undefined ? {} : { detail }),
    message: toShortText(message, longestMessageBytes),
  };
}

/** What was known before, with why the last attempt brought nothing new. */
export function toFailedImage(
  reference: string,
  before: ResolvedImage | undefined,
  isProxied: boolean,
  failure: Failure,
): ResolvedImage {
  const known = before ?? { reference, digest: undefined, isProxied, platforms: [] };
  return { ...known, failure: toResolvedFailure(failure) };
}

export function toRecord(
  image: Pick<ResolvedImage, 'reference' | 'digest' | 'isProxied' | 'platforms'>,
  { refusal, failure }: { readonly refusal?: Failure | undefined; readonly failure?: Failure | undefined } = {},
): ResolvedImage {
  return {
    ...image,
    platforms: image.platforms.toSorted((a, b) => (a.platform < b.platform ? -1 : 1)),
    ...(refusal === undefined ? {} : { refusal: toResolvedFailure(refusal) }),
    ...(failure === undefined ? {} : { failure: toResolvedFailure(failure) }),
  };
}

export function toPlatforms(
  image: SourceImage,
  warm: (platform: string, digest: string) => WarmState,
): ResolvedPlatform[] {
  return [
    ...image.platforms.map((platform) => toPlatform(platform, warm)),
    ...(image.refused ?? []).map((refusal) => toRefusedPlatform(refusal, warm)),
  ];
}

export function toPlatform(
  found: SourcePlatform,
  warm: (platform: string, digest: string) => WarmState,
): ResolvedPlatform {
  const platform = formatPlatform(found.platform);
  const blobs = new Map([found.config, ...found.layers].map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  return {
    platform,
    digest: found.digest,
    imageId: found.config.digest,
    sizeBytes: [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0),
    warm: warm(platform, found.digest),
  };
}

function toRefusedPlatform(
  found: SourceRefusal,
  warm: (platform: string, digest: string) => WarmState,
): ResolvedPlatform {
  const platform = formatPlatform(found.platform);
  return {
    platform,
    digest: found.digest,
    // Its manifest names the config, and Harbor does not give that out.
    imageId: found.digest,
    sizeBytes: 0,
    warm: warm(platform, found.digest),
    refusal: toResolvedFailure(found.failure),
  };
}

/** Its manifest was never read. */
export function isBlank({ digest, imageId, sizeBytes }: ResolvedPlatform): boolean {
  return imageId === digest && sizeBytes === 0;
}
