import { beforeEach, expect, it } from 'vitest';
import { partStores } from '../../../agent/core/image-parts.ts';
import { leftoverKinds } from '../../../agent/core/leftovers.ts';
import { removeReasons } from '../../../agent/core/prune-plan.ts';
import { pruneTriggers } from '../../../agent/core/prune-round.ts';
import { createMetrics, type Metrics } from '../../../agent/ops/metrics.ts';
import { pruneResults, removalFailureReasons } from '../../../agent/ops/metric-initial-values.ts';
import { planDecisions } from '../../../agent/ops/plan-figures.ts';
import { build, recordAll, samplePlan, scrape } from './recorded.ts';

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics(build);
});

/** The values of one metric by the values of its labels. */
async function valuesOf(name: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [series, value] of await scrape(metrics)) {
    if (series === `stevedore_${name}`) found[''] = value;
    const labels = series.startsWith(`stevedore_${name}{`) ? [...series.matchAll(/="([^"]*)"/g)] : [];
    if (labels.length > 0) found[labels.map(([, label]) => label).join(' ')] = value;
  }
  return found;
}

const sum = (values: Record<string, number>): number => Object.values(values).reduce((total, one) => total + one, 0);
const zeros = (labels: readonly string[]): Record<string, number> =>
  Object.fromEntries(labels.map((label) => [label, 0]));

it.each<[string, readonly string[]]>([
  ['images', ['in_use', 'desired', 'protected', 'kept', 'reclaimable']],
  ['images_disk_bytes', partStores],
  ['prune_runs_total', pruneTriggers.flatMap((trigger) => pruneResults.map((result) => `${trigger} ${result}`))],
  ['prune_duration_seconds_count', pruneTriggers],
  ['prune_images_removed_total', removeReasons],
  ['prune_image_removal_failures_total', removalFailureReasons],
  ['prune_plan_images', planDecisions],
  ['prune_plan_bytes', planDecisions],
  ['prune_reclaimed_bytes_total', partStores],
  ['leftovers', leftoverKinds],
  ['leftover_bytes', leftoverKinds],
  ['leftovers_removed_total', leftoverKinds],
  ['leftover_reclaimed_bytes_total', leftoverKinds],
  ['prune_last_run_timestamp_seconds', ['']],
  ['prune_last_success_timestamp_seconds', ['']],
  ['prune_filesystem_freed_bytes_total', ['']],
  ['prune_image_size_bytes_total', ['']],
])('%s starts at 0 for every label value', async (name, labels) => expect(await valuesOf(name)).toEqual(zeros(labels)));

it('every image of a plan is in one state, and the states add up to all images', async () => {
  metrics.prunePlanned(samplePlan);
  const states = await valuesOf('images');
  expect(states).toEqual({ in_use: 1, desired: 2, protected: 2, kept: 4, reclaimable: 4 });
  expect(sum(states)).toBe(samplePlan.images.length);
});

it('a plan is shown by decision: images, their nominal sizes, and what its removals free', async () => {
  metrics.prunePlanned(samplePlan);
  const images = await valuesOf('prune_plan_images');
  const bytes = await valuesOf('prune_plan_bytes');
  expect(images).toMatchObject({ remove: 2, in_use: 1, not_needed: 1 });
  expect(sum(images)).toBe(samplePlan.images.length);
  expect(bytes).toMatchObject({ remove: 200, in_use: 1, desired: 2, not_needed: 1024 });
  expect(sum(bytes)).toBe(200 + 2047);
  expect(await valuesOf('prune_plan_freed_bytes')).toEqual({ '': 160 });
  expect(await valuesOf('images_reclaimable_bytes')).toEqual({ '': 190 });
  expect(await valuesOf('images_disk_bytes')).toEqual({ content: 1000, snapshot: 2000, layer: 0 });
});

it('the next plan takes the place of the last one', async () => {
  metrics.prunePlanned(samplePlan);
  metrics.prunePlanned({ ...samplePlan, images: samplePlan.images.slice(0, 1) });
  expect(sum(await valuesOf('images'))).toBe(1);
  expect(await valuesOf('prune_plan_images')).toMatchObject({ remove: 1, in_use: 0 });
  expect(await valuesOf('prune_plan_freed_bytes')).toEqual({ '': 70 });
});

it('runs are counted by trigger and result, and the last success is not moved by one that failed', async () => {
  const run = { seconds: 7, targetBytes: 50, shortfallBytes: 20, filesystemFreedBytes: 30 };
  metrics.pruneRun({ ...run, trigger: 'watermark', outcome: 'success', at: 1000 });
  metrics.pruneRun({ ...run, trigger: 'interval', outcome: 'noop', at: 2000, targetBytes: 0, shortfallBytes: 0 });
  expect(await valuesOf('prune_last_success_timestamp_seconds')).toEqual({ '': 2 });
  metrics.pruneRun({ ...run, trigger: 'critical', outcome: 'partial', at: 3000 });
  metrics.pruneRun({ ...run, trigger: 'critical', outcome: 'error', at: 4000 });
  expect(await valuesOf('prune_runs_total')).toMatchObject({
    'watermark success': 1,
    'interval noop': 1,
    'critical partial': 1,
    'critical error': 1,
    'manual success': 0,
  });
  expect(await valuesOf('prune_last_run_timestamp_seconds')).toEqual({ '': 4 });
  expect(await valuesOf('prune_last_success_timestamp_seconds')).toEqual({ '': 2 });
  expect(await valuesOf('prune_duration_seconds_count')).toMatchObject({ critical: 2, interval: 1, startup: 0 });
  expect(await valuesOf('prune_target_bytes')).toEqual({ '': 50 });
  expect(await valuesOf('prune_shortfall_bytes')).toEqual({ '': 20 });
  expect(await valuesOf('prune_filesystem_freed_bytes_total')).toEqual({ '': 120 });
});

it('removals count proven bytes by store beside nominal sizes', async () => {
  metrics.imageRemoved('age', { content: 100, snapshot: 250 }, 120);
  metrics.imageRemoved('space', { layer: 40 }, 90);
  metrics.removalFailed('timeout');
  expect(await valuesOf('prune_reclaimed_bytes_total')).toEqual({ content: 100, snapshot: 250, layer: 40 });
  expect(await valuesOf('prune_image_size_bytes_total')).toEqual({ '': 210 });
  expect(await valuesOf('prune_images_removed_total')).toMatchObject({ age: 1, space: 1, critical: 0 });
  expect(await valuesOf('prune_image_removal_failures_total')).toMatchObject({ timeout: 1, in_use: 0 });
});

it('a look at some kinds of leftovers leaves the figures of the others', async () => {
  metrics.leftovers(new Map([['build_cache', { count: 5, bytes: 900 }]]));
  metrics.leftovers(new Map([['volume', { count: 1, bytes: 10 }]]));
  metrics.leftoverRemoved('volume', 10);
  expect(await valuesOf('leftovers')).toMatchObject({ build_cache: 5, volume: 1, ingest: 0 });
  expect(await valuesOf('leftover_bytes')).toMatchObject({ build_cache: 900, volume: 10 });
  expect(await valuesOf('leftovers_removed_total')).toMatchObject({ volume: 1, build_cache: 0 });
  expect(await valuesOf('leftover_reclaimed_bytes_total')).toMatchObject({ volume: 10 });
});

it('modes, use and pins are shown as they are now', async () => {
  recordAll(metrics);
  metrics.pruneEnabled(false, true);
  expect(await valuesOf('prune_enabled')).toEqual({ '': 0 });
  expect(await valuesOf('prune_dry_run')).toEqual({ '': 1 });
  expect(await valuesOf('watermark_ratio')).toEqual({ low: 0.65, high: 0.75, critical: 0.82 });
  expect(await valuesOf('usage_records')).toEqual({ '': 12 });
  expect(await valuesOf('usage_tracking_start_timestamp_seconds')).toEqual({ '': 1_600_000_000 });
  expect(await valuesOf('usage_state_save_failures_total')).toEqual({ '': 1 });
  expect(await valuesOf('images_pinned')).toEqual({ '': 3 });
  expect(await valuesOf('prefetched_images_unused')).toEqual({ '': 2 });
  expect(await valuesOf('prefetched_images_used_total')).toEqual({ '': 1 });
});
