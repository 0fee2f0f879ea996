import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { failureCodes } from '../../../agent/core/failure.ts';
import { partStores } from '../../../agent/core/image-parts.ts';
import { leftoverKinds } from '../../../agent/core/leftovers.ts';
import { removeReasons } from '../../../agent/core/prune-plan.ts';
import { pruneTriggers } from '../../../agent/core/prune-round.ts';
import { waitReasons } from '../../../agent/core/pull-plan.ts';
import { pruneResults, removalFailureReasons, runtimeOperations } from '../../../agent/ops/metric-initial-values.ts';
import { createMetrics, type Metrics } from '../../../agent/ops/metrics.ts';
import { imageStates, planDecisions } from '../../../agent/ops/plan-figures.ts';
import type { RuntimeOperation } from '../../../agent/runtime/connect.ts';
import { build, recordAll, scrape } from './recorded.ts';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics(build);
});

describe('the metrics', () => {
  it.skipIf(!hasPromtool && process.env['CI'] !== 'true')('pass promtool check metrics, empty and full', async () => {
    for (const fill of [() => undefined, () => recordAll(metrics)]) {
      fill();
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: await metrics.render(), encoding: 'utf8' });
      expect({ status: checked.status, said: checked.stdout + checked.stderr }).toEqual({ status: 0, said: '' });
    }
  });

  it('count requests to the API server from 0 on, by the status of success: 201 for what is created', async () => {
    const text = await metrics.render();
    expect(text).toContain('stevedore_cluster_requests_total{verb="create",resource="events",code="201"} 0');
    expect(text).not.toContain('resource="events",code="200"');
  });

  it('are those of the reference, both ways', async () => {
    recordAll(metrics);
    const served = [...(await metrics.render()).matchAll(/^# TYPE (stevedore_\w+) (\w+)$/gm)].map(
      ([, name, kind]) => `${name} ${kind}`,
    );
    const reference = await readFile(new URL('../../../agent/ops/README.md', import.meta.url), 'utf8');
    const documented = [...reference.matchAll(/^\| `(stevedore_\w+)` \| (\w+) \|/gm)].map(
      ([, name, kind]) => `${name} ${kind}`,
    );
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('have the labels and label values of the reference', async () => {
    const reference = await readFile(new URL('../../../agent/ops/README.md', import.meta.url), 'utf8');
    recordAll(metrics);
    const text = await metrics.render();
    for (const [, name, labels = ''] of reference.matchAll(/^\| `(stevedore_\w+)` \| \w+ \| (.*?)\|/gm)) {
      const documented = [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label);
      const sample = new RegExp(`^${name}(?:_count)?(?:\\{(.*)\\})? `, 'm').exec(text);
      const served = [...(sample?.[1] ?? '').matchAll(/(\w+)="/g)].map(([, label = '']) => label);
      expect({ name, labels: documented.toSorted() }).toEqual({ name, labels: served.toSorted() });
    }
    const values = [failureCodes, waitReasons, runtimeOperations, leftoverKinds, pruneResults, pruneTriggers];
    const pruneValues = [removeReasons, removalFailureReasons, planDecisions, partStores];
    for (const value of [...values, ...pruneValues].flat()) expect(reference).toContain(`\`${value}\``);
    for (const state of imageStates) expect(reference).toContain(`\n| ${state} | `);
  });

  it('know every operation that the runtime reports', () => {
    const reported: Record<RuntimeOperation, true> = {
      info: true,
      list_images: true,
      list_containers: true,
      list_layers: true,
      pull_image: true,
      disk_usage: true,
      image_details: true,
      infrastructure_images: true,
      remove_image: true,
      undo_removals: true,
      list_leftovers: true,
      remove_leftover: true,
      pin_image: true,
    };
    expect(runtimeOperations.toSorted()).toEqual(Object.keys(reported).toSorted());
  });

  it('start every known series at 0', async () => {
    const values = await scrape(metrics);
    for (const reason of failureCodes)
      expect(values.get(`stevedore_image_pull_failures_total{reason="${reason}"}`)).toBe(0);
    for (const reason of waitReasons) expect(values.get(`stevedore_image_pulls_waiting{reason="${reason}"}`)).toBe(0);
    for (const operation of runtimeOperations) {
      const labels = `{operation_type="${operation}"}`;
      expect(values.get(`stevedore_runtime_operations_total${labels}`)).toBe(0);
      expect(values.get(`stevedore_runtime_operations_errors_total${labels}`)).toBe(0);
      expect(values.get(`stevedore_runtime_operations_duration_seconds_count${labels}`)).toBe(0);
    }
    expect(values.get('stevedore_build_info{version="1.2.3",revision="abc",node_version="24.0.0"}')).toBe(1);
  });

  it('show what was recorded', async () => {
    recordAll(metrics);
    const values = await scrape(metrics);
    const expected: Record<string, number> = {
      stevedore_config_last_reload_successful: 1,
      stevedore_config_last_reload_success_timestamp_seconds: 1_700_000_000,
      stevedore_config_reloads_total: 1,
      stevedore_config_reload_failures_total: 0,
      stevedore_dry_run: 1,
      'stevedore_runtime_info{runtime="containerd",version="1.6.20",image_store="containerd",snapshotter="overlayfs"}': 1,
      stevedore_runtime_up: 1,
      'stevedore_runtime_operations_total{operation_type="list_images"}': 1,
      'stevedore_runtime_operations_errors_total{operation_type="list_images"}': 0,
      'stevedore_runtime_operations_duration_seconds_sum{operation_type="list_images"}': 0.2,
      'stevedore_image_filesystem_avail_bytes{mountpoint="/images"}': 400,
      'stevedore_watermark_ratio{level="high"}': 0.75,
      'stevedore_image_set_images_desired{image_set="gpu"}': 3,
      'stevedore_image_set_images_present{image_set="gpu"}': 2,
      'stevedore_image_set_ready_timestamp_seconds{image_set="gpu"}': 0,
      'stevedore_image_pulls_waiting{reason="disk"}': 2,
      stevedore_image_pulls_queued: 4,
      stevedore_image_pulls_in_progress: 1,
      stevedore_image_pulls_total: 1,
      stevedore_image_pull_queue_duration_seconds_sum: 7,
      stevedore_image_pull_duration_seconds_sum: 42,
      stevedore_image_pull_bytes_total: 1234,
      'stevedore_image_pull_failures_total{reason="auth"}': 1,
      stevedore_prefetched_images_lost_total: 2,
    };
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, values.get(name)]))).toEqual(expected);
  });

  it('keep the time of the last accepted configuration when the next is rejected', async () => {
    metrics.configurationLoaded(true, 5000);
    metrics.configurationLoaded(false, 9000);
    const values = await scrape(metrics);
    expect(values.get('stevedore_config_last_reload_successful')).toBe(0);
    expect(values.get('stevedore_config_last_reload_success_timestamp_seconds')).toBe(5);
    expect(values.get('stevedore_config_reload_failures_total')).toBe(1);
    expect(values.get('stevedore_config_reloads_total')).toBe(2);
  });

  it('forget image sets that are gone, waits that are over, and the filesystem and runtime of before', async () => {
    recordAll(metrics);
    metrics.imageSets([{ imageSet: 'base', desired: 1, present: 1, readyAt: 3000 }]);
    metrics.pullsNow(new Map(), 0, 0);
    metrics.imageFilesystem({ mountpoint: '/other', sizeBytes: 1, availBytes: 1, files: 1, filesFree: 1 });
    const values = await scrape(metrics);
    expect([...values.keys()].filter((name) => name.includes('gpu') || name.includes('/images'))).toEqual([]);
    expect(values.get('stevedore_image_set_ready_timestamp_seconds{image_set="base"}')).toBe(3);
    expect(values.get('stevedore_image_pulls_waiting{reason="disk"}')).toBe(0);
  });

  it('leave pulls that fetched nothing out of the durations', async () => {
    metrics.pullSucceeded(3, true);
    expect((await scrape(metrics)).get('stevedore_image_pull_duration_seconds_count')).toBe(0);
  });

  it('include the process, without what promtool refuses and what costs CPU', async () => {
    const names = [...(await scrape(metrics)).keys()];
    expect(names).toContain('process_resident_memory_bytes');
    expect(names).toContain('nodejs_eventloop_lag_seconds');
    expect(names.filter((name) => /nodejs_active_\w+_total|lag_p99/.test(name))).toEqual([]);
  });

  it('stay apart from those of another agent in the process', async () => {
    createMetrics(build).imagesLost(9);
    expect((await scrape(metrics)).get('stevedore_prefetched_images_lost_total')).toBe(0);
  });
});
