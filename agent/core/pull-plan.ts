/** Which desired images are to be pulled now, which wait and why, and what is not to be pulled here at all. */

import type { FailureCode, FailureDetail } from './failure.ts';
import type { ResolvedFailure } from './resolution.ts';

export const waitReasons = ['backoff', 'window', 'disk', 'pressure', 'slot', 'warming', 'paused'] as const;
export type WaitReason = (typeof waitReasons)[number];

/** Why an image that is asked for is not simply there. */
export type PullReason = 'absent' | 'broken' | 'moved';

export interface PlannedPull {
  /** Normalised, as `storedName` writes it. */
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly priority: number;
  readonly gate: boolean;
  readonly reason: PullReason;
  /** `running` is in flight; `next` fits the concurrency now; `queued` comes after those. */
  readonly state: 'running' | 'next' | 'queued';
  /** What the tag resolves to, where the registry said so. */
  readonly digest: string | undefined;
  /** Compressed bytes that are neither here nor in flight; undefined where the registry did not say. */
  readonly downloadBytes: number | undefined;
  /** Estimated bytes on disk once unpacked, of what is missing. */
  readonly unpackedBytes: number | undefined;
}

export interface WaitingPull {
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly reason: WaitReason;
  readonly message: string;
  /** Epoch ms; undefined where a change, not a time, ends the wait. */
  readonly until: number | undefined;
  /** What the last attempt failed with, where the reason is `backoff`. */
  readonly failure: FailureCode | undefined;
}

export interface PresentImage {
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly imageId: string;
  readonly sizeBytes: number;
  /** What its name stands for now is not given out (any more). What is here stays, without a pin where it is that very image. */
  readonly refusal?: ResolvedFailure;
}

/** Asked for, but never pulled while the configuration stays as it is. */
export interface RefusedImage {
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly code: FailureCode;
  readonly detail: FailureDetail;
  readonly message: string;
}

export interface UnselectedSet {
  readonly imageSet: string;
  /** The first requirement that the node's labels do not meet. */
  readonly message: string;
}

export interface PullPlan {
  /** Epoch ms that the plan was made for. */
  readonly at: number;
  /** In the order in which they are started. */
  readonly pulls: readonly PlannedPull[];
  readonly waiting: readonly WaitingPull[];
  readonly present: readonly PresentImage[];
  readonly refused: readonly RefusedImage[];
  readonly unselected: readonly UnselectedSet[];
}
