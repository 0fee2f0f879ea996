/** What the working parts report; ops/metrics.ts implements it. Everything is a number or a word of a closed list. */

import type { FailureCode } from '../core/failure.ts';
import type { PartStore } from '../core/image-parts.ts';
import type { LeftoverKind } from '../core/leftovers.ts';
import type { PrunePlan, RemoveReason } from '../core/prune-plan.ts';
import type { PruneTrigger } from '../core/prune-round.ts';
import type { WaitReason } from '../core/pull-plan.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { ImageFilesystem, RuntimeInfo } from '../runtime/runtime.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';

export interface ImageSetCounts {
  readonly imageSet: string;
  readonly desired: number;
  readonly present: number;
  /** When the set first became complete for its current definition, epoch ms; undefined: not yet. */
  readonly readyAt: number | undefined;
}

/** Why a removal that was begun did not succeed. */
export const removalFailureReasons = ['in_use', 'conflict', 'timeout', 'runtime'] as const;
export type RemovalFailureReason = (typeof removalFailureReasons)[number];

export interface PruneRunRecord {
  readonly trigger: PruneTrigger;
  readonly outcome: RoundOutcome;
  readonly seconds: number;
  /** Epoch ms of its end. */
  readonly at: number;
  readonly targetBytes: number;
  readonly shortfallBytes: number;
  /** What the filesystem had more free after the run than before; never below 0. */
  readonly filesystemFreedBytes: number;
}

export interface Recorder extends ClusterRecorder {
  configurationLoaded(accepted: boolean, at: number): void;
  dryRun(active: boolean): void;

  runtimeInfo(info: RuntimeInfo): void;
  runtimeUp(up: boolean): void;
  runtimeOperation(operation: string, seconds: number, failed: boolean): void;
  eventStreamRestarted(): void;

  imageFilesystem(usage: ImageFilesystem): void;
  /** As used share, 0 to 1. */
  watermarks(ratios: Readonly<Record<'low' | 'high' | 'critical', number>>): void;
  imageSets(counts: readonly ImageSetCounts[]): void;

  /** Every round: how many desired pulls wait for each reason, are queued, and run. */
  pullsNow(waiting: ReadonlyMap<WaitReason, number>, queued: number, inProgress: number): void;
  pullStarted(queuedSeconds: number): void;
  /** Bytes that came from the registry, as they come. */
  pulledBytes(bytes: number): void;
  /** `seconds` without the queue; `cached` when nothing had to be fetched. */
  pullSucceeded(seconds: number, cached: boolean): void;
  pullFailed(code: FailureCode): void;
  imagesLost(count: number): void;
  /** Images of the desired set that carry our pin. */
  imagesPinned(count: number): void;
  /** Prefetched images that no container has used since, now. */
  prefetchedUnused(count: number): void;
  /** The first container of an image that we prefetched. */
  prefetchedUsed(count: number): void;

  pruneEnabled(enabled: boolean, dryRun: boolean): void;
  /** Images with a known last use, and since when last use is observed, epoch ms. */
  usageRecords(count: number, trackedSince: number): void;
  usageStateSaveFailed(): void;
  /** Every plan, also those of a dry run. */
  prunePlanned(plan: PrunePlan): void;
  pruneRun(run: PruneRunRecord): void;
  /** `reclaimed`: bytes proven freed, by where they were. `nominalBytes`: the size that the runtime told. */
  imageRemoved(
    reason: RemoveReason,
    reclaimed: Readonly<Partial<Record<PartStore, number>>>,
    nominalBytes: number,
  ): void;
  removalFailed(reason: RemovalFailureReason): void;
  /** Of the kinds that were looked at: how much there is. */
  leftovers(found: ReadonlyMap<LeftoverKind, { readonly count: number; readonly bytes: number }>): void;
  leftoverRemoved(kind: LeftoverKind, bytes: number): void;
}
