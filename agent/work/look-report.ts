import type { Configuration } from '../core/configuration.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { type PullPlan, waitReasons } from '../core/pull-plan.ts';
import { watermarkRatio } from '../core/watermark.ts';
import type { ImageSetCounts, Recorder } from './recorder.ts';

export interface LookReport {
  readonly plan: PullPlan;
  readonly running: ReadonlyMap<string, unknown>;
  readonly imageSets: readonly ImageSetCounts[];
  readonly configuration: Configuration;
  readonly filesystem: ImageFilesystem | undefined;
}

/** What a look found, as metrics. */
export function reportLook(
  recorder: Recorder,
  { plan, running, imageSets, configuration, filesystem }: LookReport,
): void {
  const waiting = waitReasons.map(
    (reason) => [reason, plan.waiting.filter((wait) => wait.reason === reason).length] as const,
  );
  const queued = plan.pulls.filter(({ reference }) => !running.has(reference)).length;
  recorder.pullsNow(new Map(waiting), queued, running.size);
  recorder.dryRun(configuration.prefetch.dryRun);
  recorder.imageSets(imageSets);
  if (filesystem === undefined) return;
  recorder.imageFilesystem(filesystem);
  recorder.highWatermark(watermarkRatio(filesystem, configuration.prune.watermarks.high));
}
