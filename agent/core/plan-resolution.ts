/** What the plan says of how images and patterns were resolved, by whom and when. Pure. */

import type { ImageSet } from './configuration.ts';
import type { Desired } from './desired-images.ts';
import { type DesiredResolution, toMembers } from './desired-resolution.ts';
import type { FailureCode, FailureDetail } from './failure.ts';
import { formatPattern, patternKey, type RepositoryPattern } from './repository-pattern.ts';
import type { ExcludedImage, ResolvedFailure, Resolutions, WarmState } from './resolution.ts';

export interface PlanResolutionInput {
  readonly by: 'coordinator' | 'self';
  /** Epoch ms; undefined: not known. */
  readonly at: number | undefined;
  readonly desired: Pick<Desired, 'images'>;
  readonly resolutions: Resolutions;
  /** Only who coordinates knows them. */
  readonly atRisk?: readonly RetentionRisk[];
}

/** A desired image that a retention rule of its project would delete. */
export interface RetentionRisk {
  readonly reference: string;
  readonly project: string;
  readonly message: string;
}

/** Absent where nothing was resolved. */
export interface PlanResolution {
  readonly resolvedBy: 'coordinator' | 'self';
  readonly resolvedAt?: string;
  readonly atRisk: readonly RetentionRisk[];
}

/** Of an image, where something was published of it. */
export interface PlanResolved {
  /** What the reference points to; absent where it was never found. */
  readonly digest?: string;
  /** What this node's platform gets of it. */
  readonly childDigest?: string;
  readonly platform?: string;
  /** Behind a Harbor proxy-cache project. */
  readonly proxied: boolean;
  readonly warm?: WarmState;
  /** Of the last attempt to resolve it: everything else is then as it was before. */
  readonly failure?: PlanFailure;
}

export interface PlanFailure {
  readonly code: FailureCode;
  readonly detail?: FailureDetail;
  readonly message: string;
}

/** An entry of an image set that names repositories. */
export interface PlanPattern {
  readonly repository: string;
  readonly tags: {
    readonly match?: string;
    readonly regex?: string;
    readonly semver?: string;
    readonly newest?: number;
  };
  /** False: nobody has looked yet, or never with success; nothing of it is desired then. */
  readonly resolved: boolean;
  /** References with a tag; what this node does not believe is left out. */
  readonly images: readonly string[];
  /** The first of what was left out; `excludedCount` says how much that was in all. */
  readonly excluded: readonly ExcludedImage[];
  readonly excludedCount: number;
  /** Images that the rule would leave out by what Harbor says now, with why they stay; absent where there is none. */
  readonly kept?: readonly ExcludedImage[];
  /** Of the last attempt: the images are then those of before. */
  readonly failure?: PlanFailure;
}

/** Of a pattern, and of risks; the rest is counted, or in Harbor. */
const maxListed = 50;

export function toPlanResolution({ by, at, atRisk = [] }: PlanResolutionInput): PlanResolution {
  return {
    resolvedBy: by,
    ...(at === undefined ? {} : { resolvedAt: new Date(at).toISOString() }),
    atRisk: atRisk.slice(0, maxListed).map(({ reference, project, message }) => ({ reference, project, message })),
  };
}

/** By reference. */
export function toPlanResolved(input: PlanResolutionInput | undefined): ReadonlyMap<string, PlanResolved> {
  const images = input?.desired.images ?? [];
  return new Map(
    images.flatMap(({ reference, resolved }) =>
      resolved === undefined
        ? []
        : [[reference, describe(resolved, input?.resolutions.images.get(reference)?.failure)] as const],
    ),
  );
}

export function toPlanPatterns(
  { patterns }: Pick<ImageSet, 'patterns'>,
  input: PlanResolutionInput | undefined,
): readonly PlanPattern[] {
  return patterns.map((pattern) => toPlanPattern(pattern, input?.resolutions));
}

export function toPlanFailure({ code, detail, message }: ResolvedFailure): PlanFailure {
  return { code, ...(detail === undefined ? {} : { detail }), message };
}

function toPlanPattern(pattern: RepositoryPattern, resolutions: Resolutions | undefined): PlanPattern {
  const { match, regex, semver, newest } = pattern.tags;
  const { members, failure } = toMembers(pattern, resolutions);
  const found = resolutions?.patterns.get(patternKey(pattern));
  const kept = toListed(found?.kept);
  return {
    repository: formatPattern(pattern),
    tags: {
      ...(match === undefined ? {} : { match }),
      ...(regex === undefined ? {} : { regex }),
      ...(semver === undefined ? {} : { semver }),
      ...(newest === undefined ? {} : { newest }),
    },
    resolved: members !== undefined,
    images: members ?? [],
    excluded: toListed(found?.excluded),
    excludedCount: found?.excludedCount ?? 0,
    ...(kept.length === 0 ? {} : { kept }),
    ...(failure === undefined ? {} : { failure: toPlanFailure(failure) }),
  };
}

function toListed(images: readonly ExcludedImage[] = []): readonly ExcludedImage[] {
  return images.slice(0, maxListed).map(({ reference, reason, message }) => ({ reference, reason, message }));
}

function describe({ digest, child, isProxied }: DesiredResolution, failure: ResolvedFailure | undefined): PlanResolved {
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(child === undefined ? {} : { childDigest: child.digest, platform: child.platform }),
    proxied: isProxied,
    ...(child === undefined || !isProxied ? {} : { warm: child.warm }),
    ...(failure === undefined ? {} : { failure: toPlanFailure(failure) }),
  };
}
