/** What the working parts report; ops/metrics.ts implements it. Everything is a number or a word of a closed list. */

import type { FailureCode } from '../core/failure.ts';
import type { WaitReason } from '../core/pull-plan.ts';
import type { ImageFilesystem, RuntimeInfo } from '../runtime/runtime.ts';

export interface ImageSetCounts {
  readonly imageSet: string;
  readonly desired: number;
  readonly present: number;
  /** When the set first became complete for its current definition, epoch ms; undefined: not yet. */
  readonly readyAt: number | undefined;
}

export interface Recorder {
  configurationLoaded(accepted: boolean, at: number): void;
  dryRun(active: boolean): void;

  runtimeInfo(info: RuntimeInfo): void;
  runtimeUp(up: boolean): void;
  runtimeOperation(operation: string, seconds: number, failed: boolean): void;
  eventStreamRestarted(): void;

  imageFilesystem(usage: ImageFilesystem): void;
  highWatermark(ratio: number): void;
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
}
