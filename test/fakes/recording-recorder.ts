import type { WaitReason } from '../../agent/core/pull-plan.ts';
import type { ImageSetCounts, Recorder } from '../../agent/work/recorder.ts';

/** Keeps what was reported, for tests. */
export class RecordingRecorder implements Recorder {
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
  imageFilesystem(): void {}
  highWatermark(): void {}
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
}
