import type { PartStore } from '../../agent/core/image-parts.ts';
import type { LeftoverKind } from '../../agent/core/leftovers.ts';
import type { ImageFilesystem } from '../../agent/core/node-images.ts';
import type { PrunePlan, RemoveReason } from '../../agent/core/prune-plan.ts';
import type { WaitReason } from '../../agent/core/pull-plan.ts';
import type { ImageSetCounts, PruneRunRecord, Recorder, RemovalFailureReason } from '../../agent/work/recorder.ts';
import { RecordingClusterRecorder } from './recording-cluster-recorder.ts';

interface RecordedRemoval {
  readonly reason: RemoveReason;
  readonly reclaimed: Readonly<Partial<Record<PartStore, number>>>;
  readonly nominalBytes: number;
}

/** Keeps what was reported, for tests. */
export class RecordingRecorder extends RecordingClusterRecorder implements Recorder {
  readonly accepted: boolean[] = [];
  readonly up: boolean[] = [];
  readonly failures: string[] = [];
  readonly pulls: { readonly seconds: number; readonly cached: boolean }[] = [];
  sets: readonly ImageSetCounts[] = [];
  waiting: ReadonlyMap<WaitReason, number> = new Map();
  queued = 0;
  inProgress = 0;
  started = 0;
  bytes = 0;
  lost = 0;
  streamRestarts = 0;
  isDryRun = false;
  disk: ImageFilesystem | undefined;
  ratios: Readonly<Record<'low' | 'high' | 'critical', number>> | undefined;
  pinned = 0;
  unused = 0;
  used = 0;
  isPruneEnabled: boolean | undefined;
  usage: { readonly count: number; readonly trackedSince: number } | undefined;
  saveFailures = 0;
  readonly plans: PrunePlan[] = [];
  readonly runs: PruneRunRecord[] = [];
  readonly removals: RecordedRemoval[] = [];
  readonly removalFailures: RemovalFailureReason[] = [];
  found: ReadonlyMap<LeftoverKind, { readonly count: number; readonly bytes: number }> = new Map();
  readonly leftoverRemovals: { readonly kind: LeftoverKind; readonly bytes: number }[] = [];

  configurationLoaded(accepted: boolean): void {
    this.accepted.push(accepted);
  }
  dryRun(active: boolean): void {
    this.isDryRun = active;
  }
  runtimeInfo(): void {}
  runtimeUp(up: boolean): void {
    this.up.push(up);
  }
  runtimeOperation(): void {}
  eventStreamRestarted(): void {
    this.streamRestarts += 1;
  }
  imageFilesystem(usage: ImageFilesystem): void {
    this.disk = usage;
  }
  watermarks(ratios: Readonly<Record<'low' | 'high' | 'critical', number>>): void {
    this.ratios = ratios;
  }
  imageSets(counts: readonly ImageSetCounts[]): void {
    this.sets = counts;
  }
  pullsNow(waiting: ReadonlyMap<WaitReason, number>, queued: number, inProgress: number): void {
    this.waiting = waiting;
    this.queued = queued;
    this.inProgress = inProgress;
  }
  pullStarted(): void {
    this.started += 1;
  }
  pulledBytes(bytes: number): void {
    this.bytes += bytes;
  }
  pullSucceeded(seconds: number, cached: boolean): void {
    this.pulls.push({ seconds, cached });
  }
  pullFailed(code: string): void {
    this.failures.push(code);
  }
  imagesLost(count: number): void {
    this.lost += count;
  }
  imagesPinned(count: number): void {
    this.pinned = count;
  }
  prefetchedUnused(count: number): void {
    this.unused = count;
  }
  prefetchedUsed(count: number): void {
    this.used += count;
  }
  pruneEnabled(enabled: boolean): void {
    this.isPruneEnabled = enabled;
  }
  usageRecords(count: number, trackedSince: number): void {
    this.usage = { count, trackedSince };
  }
  usageStateSaveFailed(): void {
    this.saveFailures += 1;
  }
  prunePlanned(plan: PrunePlan): void {
    this.plans.push(plan);
  }
  pruneRun(run: PruneRunRecord): void {
    this.runs.push(run);
  }
  imageRemoved(reason: RemoveReason, reclaimed: RecordedRemoval['reclaimed'], nominalBytes: number): void {
    this.removals.push({ reason, reclaimed, nominalBytes });
  }
  removalFailed(reason: RemovalFailureReason): void {
    this.removalFailures.push(reason);
  }
  leftovers(found: ReadonlyMap<LeftoverKind, { readonly count: number; readonly bytes: number }>): void {
    this.found = found;
  }
  leftoverRemoved(kind: LeftoverKind, bytes: number): void {
    this.leftoverRemovals.push({ kind, bytes });
  }
}
