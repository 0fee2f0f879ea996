import type { Configuration } from '../core/configuration.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { type PullPlan, waitReasons } from '../core/pull-plan.ts';
import { watermarkRatio } from '../core/watermark.ts';
import { DecisionLog } from './decision-log.ts';
import type { ImageSetCounts, Recorder } from './recorder.ts';

export interface Looked {
  readonly plan: PullPlan;
  /** References that are being pulled. */
  readonly running: ReadonlySet<string>;
  readonly imageSets: readonly ImageSetCounts[];
  readonly configuration: Configuration;
  readonly filesystem: ImageFilesystem | undefined;
}

/** Says what a look found and decided: changes in the log, the state in the metrics. */
export class LookReport {
  readonly #recorder: Recorder;
  readonly #decisions: DecisionLog;

  constructor(recorder: Recorder, log: Logger) {
    this.#recorder = recorder;
    this.#decisions = new DecisionLog(log);
  }

  write({ plan, running, imageSets, configuration, filesystem }: Looked): void {
    this.#decisions.write(plan);
    const waiting = waitReasons.map(
      (reason) => [reason, plan.waiting.filter((wait) => wait.reason === reason).length] as const,
    );
    const queued = plan.pulls.filter(({ reference }) => !running.has(reference)).length;
    this.#recorder.pullsNow(new Map(waiting), queued, running.size);
    this.#recorder.dryRun(configuration.prefetch.dryRun);
    this.#recorder.pruneEnabled(configuration.prune.enabled, configuration.prune.dryRun);
    this.#recorder.imageSets(imageSets);
    if (filesystem === undefined) return;
    this.#recorder.imageFilesystem(filesystem);
    const { low, high, critical } = configuration.prune.watermarks;
    this.#recorder.watermarks({
      low: watermarkRatio(filesystem, low),
      high: watermarkRatio(filesystem, high),
      critical: watermarkRatio(filesystem, critical),
    });
  }
}
