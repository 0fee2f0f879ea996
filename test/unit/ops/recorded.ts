/** Metrics that have seen something of everything, and what Prometheus would read of them. */

import { keepReasons, type PlannedImage, type PruneDecision, type PrunePlan } from '../../../agent/core/prune-plan.ts';
import type { Metrics } from '../../../agent/ops/metrics.ts';

export const build = { version: '1.2.3', revision: 'abc', nodeVersion: '24.0.0' };

/** Every value by its name and labels, as Prometheus would read it. */
export async function scrape(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** Records something of everything. */
export function recordAll(metrics: Metrics): void {
  metrics.configurationLoaded(true, 1_700_000_000_000);
  metrics.dryRun(true);
  metrics.runtimeInfo({
    kind: 'containerd',
    name: 'containerd',
    version: '1.6.20',
    imageStore: 'containerd',
    snapshotter: 'overlayfs',
    imageRoot: undefined,
    capabilities: { events: true, progress: true, resume: true, pin: true, alias: true, exactSizes: true },
  });
  metrics.runtimeUp(true);
  metrics.runtimeOperation('list_images', 0.2, false);
  metrics.imageFilesystem({ mountpoint: '/images', sizeBytes: 1000, availBytes: 400, files: 50, filesFree: 20 });
  metrics.watermarks({ low: 0.65, high: 0.75, critical: 0.82 });
  metrics.imageSets([{ imageSet: 'gpu', desired: 3, present: 2, readyAt: undefined }]);
  metrics.pullsNow(new Map([['disk', 2]]), 4, 1);
  metrics.pullStarted(7);
  metrics.pulledBytes(1234);
  metrics.pullSucceeded(42, false);
  metrics.pullFailed('auth');
  metrics.imagesLost(2);
  metrics.imagesPinned(3);
  metrics.prefetchedUnused(2);
  metrics.prefetchedUsed(1);
  metrics.pruneEnabled(true, false);
  metrics.usageRecords(12, 1_600_000_000_000);
  metrics.usageStateSaveFailed();
  metrics.prunePlanned(samplePlan);
  metrics.pruneRun({
    trigger: 'watermark',
    outcome: 'partial',
    seconds: 7,
    at: 1_700_000_100_000,
    targetBytes: 5000,
    shortfallBytes: 400,
    filesystemFreedBytes: 4600,
  });
  metrics.imageRemoved('space', { content: 100, snapshot: 250 }, 120);
  metrics.removalFailed('in_use');
  metrics.leftovers(new Map([['ingest', { count: 2, bytes: 700 }]]));
  metrics.leftoverRemoved('ingest', 300);
  recordHarbor(metrics);
}

function recordHarbor(metrics: Metrics): void {
  metrics.registryRequest('harbor.example.com', 'manifest', '200');
  metrics.registryFailure('harbor.example.com', 'auth');
  metrics.coordinatorState('leader');
  metrics.resolvedAt(1_700_000_000_000);
  metrics.resolved(12, 3, 2, 1, 4.5);
  metrics.publishFailed();
  metrics.warmImages(5, 2);
  metrics.warmed('warm', 1000, 21);
  metrics.retentionAtRisk('ml', 3);
  metrics.keptAlive();
  metrics.harborReachable('harbor.example.com', true);
  metrics.harborComponent('harbor.example.com', 'core', true);
  metrics.projectQuota('harbor.example.com', 'ml', 700, 1000);
}

function planned(decision: PruneDecision, sizeBytes: number, freesBytes = 0): PlannedImage {
  return {
    imageId: `sha256:${decision.reason}`,
    names: [],
    sizeBytes,
    decision,
    lastUsedAt: undefined,
    lastUsedFrom: undefined,
    freesBytes,
    cumulativeBytes: 0,
  };
}

/** One image of every decision: removals of 100 nominal bytes, and kept ones of 1, 2, 4, … in the order of the reasons. */
export const samplePlan: PrunePlan = {
  at: 0,
  images: [
    planned({ kind: 'remove', reason: 'age' }, 100, 70),
    planned({ kind: 'remove', reason: 'space' }, 100, 90),
    ...keepReasons.map((reason, index) => planned({ kind: 'keep', reason }, 2 ** index)),
  ],
  targetBytes: 200,
  targetInodes: 0,
  shortfallInodes: 0,
  shortfallBytes: 40,
  reclaimableBytes: 190,
  diskBytes: { content: 1000, snapshot: 2000, layer: 0 },
};
