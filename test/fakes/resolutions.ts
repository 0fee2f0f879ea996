import type { ResolutionView } from '../../agent/core/desired-images.ts';
import { type RepositoryPattern, patternKey } from '../../agent/core/repository-pattern.ts';
import type { ResolvedImage, ResolvedPattern, ResolvedPlatform, Resolutions } from '../../agent/core/resolution.ts';

/** `sha256:` and the same digit 64 times. */
export const sampleDigest = (digit: string): string => `sha256:${digit.repeat(64)}`;

/** Everything below one project of `harbor.example`. */
export function samplePattern(more: Partial<RepositoryPattern> = {}): RepositoryPattern {
  return {
    registry: 'harbor.example',
    project: 'ml',
    repository: '**',
    tags: { match: undefined, regex: undefined, semver: undefined, newest: undefined, newestBy: 'push_time' },
    labels: [],
    maxSeverity: undefined,
    unscanned: 'refuse',
    signed: undefined,
    signedBy: [],
    ...more,
  };
}

export function sampleChild(platform: string, digit: string, more: Partial<ResolvedPlatform> = {}): ResolvedPlatform {
  return {
    platform,
    digest: sampleDigest(digit),
    imageId: `sha256:${digit.repeat(63)}0`,
    sizeBytes: 1_000,
    warm: 'unneeded',
    ...more,
  };
}

export function sampleResolved(reference: string, more: Partial<ResolvedImage> = {}): ResolvedImage {
  return { reference, digest: sampleDigest('a'), isProxied: false, platforms: [], ...more };
}

export function sampleResolutions(
  images: readonly ResolvedImage[],
  patterns: readonly (readonly [RepositoryPattern, Partial<ResolvedPattern>])[] = [],
): Resolutions {
  return {
    images: new Map(images.map((image) => [image.reference, image])),
    patterns: new Map(
      patterns.map(([pattern, more]) => {
        const key = patternKey(pattern);
        return [key, { key, members: [], excluded: [], excludedCount: 0, ...more }];
      }),
    ),
  };
}

/** A node that runs linux/amd64 on a runtime that can name what it pulled by digest. */
export function sampleView(resolutions: Resolutions, more: Partial<ResolutionView> = {}): ResolutionView {
  return {
    resolutions,
    platform: { os: 'linux', architecture: 'amd64' },
    pullsChildren: true,
    harborHosts: new Set(['harbor.example']),
    ...more,
  };
}
