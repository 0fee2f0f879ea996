import { partStores } from '../core/image-parts.ts';
import { waitReasons } from '../core/pull-plan.ts';
import type { ClusterRecorder } from '../work/cluster-recorder.ts';
import type { Recorder } from '../work/recorder.ts';
import type { AgentMetrics } from './metric-definitions.ts';
import { imageStates, planDecisions, toPlanFigures } from './plan-figures.ts';

/** Puts what the working parts report into the metrics. */
export function createRecorder(metrics: AgentMetrics): Omit<Recorder, keyof ClusterRecorder> {
  return {
    configurationLoaded: (accepted, at) => {
      metrics.reloads.inc();
      metrics.reloadSuccessful.set(Number(accepted));
      if (accepted) metrics.reloadSuccessAt.set(at / 1000);
      else metrics.reloadFailures.inc();
    },
    dryRun: (active) => metrics.dryRun.set(Number(active)),

    runtimeInfo: ({ name, version, imageStore, snapshotter }) => {
      metrics.runtimeInfo.reset();
      metrics.runtimeInfo.set({ runtime: name, version, image_store: imageStore, snapshotter }, 1);
    },
    runtimeUp: (up) => metrics.runtimeUp.set(Number(up)),
    runtimeOperation: (operation_type, seconds, failed) => {
      metrics.operations.inc({ operation_type });
      metrics.operationErrors.inc({ operation_type }, Number(failed));
      metrics.operationDuration.observe({ operation_type }, seconds);
    },
    eventStreamRestarted: () => metrics.eventStreamRestarts.inc(),

    imageFilesystem: ({ mountpoint, sizeBytes, availBytes, files, filesFree }) => {
      const gauges = [
        metrics.filesystemSize,
        metrics.filesystemAvail,
        metrics.filesystemFiles,
        metrics.filesystemFilesFree,
      ];
      for (const gauge of gauges) gauge.reset();
      metrics.filesystemSize.set({ mountpoint }, sizeBytes);
      metrics.filesystemAvail.set({ mountpoint }, availBytes);
      metrics.filesystemFiles.set({ mountpoint }, files);
      metrics.filesystemFilesFree.set({ mountpoint }, filesFree);
    },
    watermarks: (ratios) => {
      for (const level of ['low', 'high', 'critical'] as const) metrics.watermark.set({ level }, ratios[level]);
    },
    imageSets: (counts) => {
      // A set that is gone or no longer selected must not stay behind with its last numbers.
      metrics.imagesDesired.reset();
      metrics.imagesPresent.reset();
      metrics.imageSetReadyAt.reset();
      for (const { imageSet, desired, present, readyAt } of counts) {
        metrics.imagesDesired.set({ image_set: imageSet }, desired);
        metrics.imagesPresent.set({ image_set: imageSet }, present);
        metrics.imageSetReadyAt.set({ image_set: imageSet }, (readyAt ?? 0) / 1000);
      }
    },

    pullsNow: (waiting, queued, inProgress) => {
      for (const reason of waitReasons) metrics.pullsWaiting.set({ reason }, waiting.get(reason) ?? 0);
      metrics.pullsQueued.set(queued);
      metrics.pullsInProgress.set(inProgress);
    },
    pullStarted: (queuedSeconds) => {
      metrics.pulls.inc();
      metrics.queueDuration.observe(queuedSeconds);
    },
    pulledBytes: (bytes) => metrics.pullBytes.inc(bytes),
    pullSucceeded: (seconds, cached) => {
      if (!cached) metrics.pullDuration.observe(seconds);
    },
    pullFailed: (reason) => metrics.pullFailures.inc({ reason }),
    imagesLost: (count) => metrics.imagesLost.inc(count),
    imagesPinned: (count) => metrics.imagesPinned.set(count),
    prefetchedUnused: (count) => metrics.prefetchedUnused.set(count),
    prefetchedUsed: (count) => metrics.prefetchedUsed.inc(count),
    ...createPruneRecorder(metrics),
  };
}

type PruneMethods =
  | 'pruneEnabled'
  | 'usageRecords'
  | 'usageStateSaveFailed'
  | 'prunePlanned'
  | 'pruneRun'
  | 'imageRemoved'
  | 'removalFailed'
  | 'leftovers'
  | 'leftoverRemoved';

function createPruneRecorder(metrics: AgentMetrics): Pick<Recorder, PruneMethods> {
  return {
    pruneEnabled: (enabled, dryRun) => {
      metrics.pruneEnabled.set(Number(enabled));
      metrics.pruneDryRun.set(Number(dryRun));
    },
    usageRecords: (count, trackedSince) => {
      metrics.usageRecords.set(count);
      metrics.usageTrackedSince.set(trackedSince / 1000);
    },
    usageStateSaveFailed: () => metrics.usageSaveFailures.inc(),

    prunePlanned: (plan) => {
      const { states, decisions, freedBytes } = toPlanFigures(plan);
      for (const state of imageStates) metrics.images.set({ state }, states[state]);
      for (const decision of planDecisions) {
        metrics.planImages.set({ decision }, decisions[decision].images);
        metrics.planBytes.set({ decision }, decisions[decision].nominalBytes);
      }
      metrics.planFreedBytes.set(freedBytes);
      for (const store of partStores) metrics.imagesDiskBytes.set({ store }, plan.diskBytes[store]);
      metrics.imagesReclaimableBytes.set(plan.reclaimableBytes);
    },
    pruneRun: ({ trigger, outcome, seconds, at, targetBytes, shortfallBytes, filesystemFreedBytes }) => {
      metrics.pruneRuns.inc({ trigger, result: outcome });
      metrics.pruneDuration.observe({ trigger }, seconds);
      metrics.pruneLastRunAt.set(at / 1000);
      if (outcome === 'success' || outcome === 'noop') metrics.pruneLastSuccessAt.set(at / 1000);
      metrics.pruneTargetBytes.set(targetBytes);
      metrics.pruneShortfallBytes.set(shortfallBytes);
      metrics.filesystemFreedBytes.inc(filesystemFreedBytes);
    },
    imageRemoved: (reason, reclaimed, nominalBytes) => {
      metrics.imagesRemoved.inc({ reason });
      for (const store of partStores) metrics.reclaimedBytes.inc({ store }, reclaimed[store] ?? 0);
      metrics.removedSizeBytes.inc(nominalBytes);
    },
    removalFailed: (reason) => metrics.removalFailures.inc({ reason }),

    leftovers: (found) => {
      // A kind that was not looked at keeps what the last look at it said.
      for (const [kind, { count, bytes }] of found) {
        metrics.leftovers.set({ kind }, count);
        metrics.leftoverBytes.set({ kind }, bytes);
      }
    },
    leftoverRemoved: (kind, bytes) => {
      metrics.leftoversRemoved.inc({ kind });
      metrics.leftoverReclaimedBytes.inc({ kind }, bytes);
    },
  };
}
