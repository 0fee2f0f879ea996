/**
 * What references and repository patterns were found to be: made by the coordinator, or by a node for itself, and read by every node. It holds no
 * times of rounds: a record that says the same is the same, and what does not change need not be published again. Pure data.
 */

import type { FailureCode, FailureDetail } from './failure.ts';

/** Why something could not be had, in words for people. */
export interface ResolvedFailure {
  readonly code: FailureCode;
  readonly detail?: FailureDetail;
  /** In the registry's own words where it had some. */
  readonly message: string;
}

/**
 * Only of images behind a Harbor proxy-cache project. `cold`: some blob or the child manifest is not local yet; `given_up`: it did not get
 * warm in time, and nodes pull all the same. `unneeded`: not behind such a project, or nobody warms.
 */
export type WarmState = 'unneeded' | 'cold' | 'warm' | 'given_up';
export const warmStates = ['unneeded', 'cold', 'warm', 'given_up'] as const satisfies readonly WarmState[];

/** The image that nodes of one platform pull. */
export interface ResolvedPlatform {
  /** As `formatPlatform` writes it: `linux/arm64`. */
  readonly platform: string;
  /** Of the platform's own manifest, which in an index is a child. */
  readonly digest: string;
  /** Of its config: the image id on most runtimes. */
  readonly imageId: string;
  /** Compressed bytes, config and layers. */
  readonly sizeBytes: number;
  readonly warm: WarmState;
  /** Harbor does not give it out (412), or a set's own rule excludes it. */
  readonly refusal?: ResolvedFailure;
}

export interface ResolvedImage {
  /** As `storedName` writes it. */
  readonly reference: string;
  /** What the reference pointed to when it was last read: of the index where there is one. Undefined: it was never found. */
  readonly digest: string | undefined;
  /** Behind a Harbor proxy-cache project, where only children have digests that last. */
  readonly isProxied: boolean;
  readonly platforms: readonly ResolvedPlatform[];
  /** Of a pattern's member: when its tag was pushed, as Harbor listed it last, epoch ms. Among the newest it keeps its place when it is listed no more. */
  readonly pushedAt?: number;
  /** The whole image is refused. */
  readonly refusal?: ResolvedFailure;
  /** Of the last attempt; everything else is then as it was before. */
  readonly failure?: ResolvedFailure;
}

export const exclusionReasons = [
  'tag',
  'older',
  'label',
  'severity',
  'not_scanned',
  'not_signed',
  'signature_invalid',
  'not_an_image',
  'too_many',
] as const;
export type ExclusionReason = (typeof exclusionReasons)[number];

/** What a pattern's repositories hold and its rules leave out. */
export interface ExcludedImage {
  readonly reference: string;
  readonly reason: ExclusionReason;
  readonly message: string;
}

export interface ResolvedPattern {
  /** `patternKey` of the pattern. */
  readonly key: string;
  /** References with a tag, as `storedName` writes them, each with a record of its own; sorted. */
  readonly members: readonly string[];
  /** The first of them, for people; `excludedCount` says how many there are. */
  readonly excluded: readonly ExcludedImage[];
  readonly excludedCount: number;
  /** The first of the members that the rule would leave out by what Harbor says now, with why they stay; for people. */
  readonly kept?: readonly ExcludedImage[];
  /** Of the last attempt; the members are then those of before. */
  readonly failure?: ResolvedFailure;
}

export interface Resolutions {
  /** By reference. */
  readonly images: ReadonlyMap<string, ResolvedImage>;
  /** By key. */
  readonly patterns: ReadonlyMap<string, ResolvedPattern>;
}

export const noResolutions: Resolutions = { images: new Map(), patterns: new Map() };
