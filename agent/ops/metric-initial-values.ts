import { failureCodes } from '../core/failure.ts';
import { partStores } from '../core/image-parts.ts';
import { leftoverKinds } from '../core/leftovers.ts';
import { removeReasons } from '../core/prune-plan.ts';
import { pruneTriggers } from '../core/prune-round.ts';
import { waitReasons } from '../core/pull-plan.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { RemovalFailureReason } from '../work/recorder.ts';
import type { AgentMetrics } from './metric-definitions.ts';
import { imageStates, planDecisions } from './plan-figures.ts';

/** The calls that are known beforehand, so that their series exist from the start. */
export const runtimeOperations = [
  'info',
  'list_images',
  'list_containers',
  'list_layers',
  'pull_image',
  'disk_usage',
  'image_details',
  'infrastructure_images',
  'remove_image',
  'undo_removals',
  'list_leftovers',
  'remove_leftover',
  'pin_image',
] as const;

export const pruneResults = wordsOf<RoundOutcome>({ success: true, partial: true, noop: true, error: true });

export const removalFailureReasons = wordsOf<RemovalFailureReason>({
  in_use: true,
  conflict: true,
  timeout: true,
  runtime: true,
});

/** All words of a type: one that is missing does not compile. */
export function wordsOf<Word extends string>(words: Readonly<Record<Word, true>>): readonly Word[] {
  return Object.keys(words) as Word[];
}

/** A series that appears with its first event hides that event from rate(): those that are known start at 0. */
export function initialise(metrics: AgentMetrics): void {
  for (const operation_type of runtimeOperations) {
    metrics.operations.inc({ operation_type }, 0);
    metrics.operationErrors.inc({ operation_type }, 0);
    metrics.operationDuration.zero({ operation_type });
  }
  for (const reason of failureCodes) metrics.pullFailures.inc({ reason }, 0);
  for (const reason of waitReasons) metrics.pullsWaiting.set({ reason }, 0);

  for (const state of imageStates) metrics.images.set({ state }, 0);
  for (const store of partStores) {
    metrics.imagesDiskBytes.set({ store }, 0);
    metrics.reclaimedBytes.inc({ store }, 0);
  }
  for (const trigger of pruneTriggers) {
    metrics.pruneDuration.zero({ trigger });
    for (const result of pruneResults) metrics.pruneRuns.inc({ trigger, result }, 0);
  }
  for (const reason of removeReasons) metrics.imagesRemoved.inc({ reason }, 0);
  for (const reason of removalFailureReasons) metrics.removalFailures.inc({ reason }, 0);
  for (const decision of planDecisions) {
    metrics.planImages.set({ decision }, 0);
    metrics.planBytes.set({ decision }, 0);
  }
  for (const kind of leftoverKinds) {
    metrics.leftovers.set({ kind }, 0);
    metrics.leftoverBytes.set({ kind }, 0);
    metrics.leftoversRemoved.inc({ kind }, 0);
    metrics.leftoverReclaimedBytes.inc({ kind }, 0);
  }
}
