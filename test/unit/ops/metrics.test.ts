import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { failureCodes } from '../../../agent/core/failure.ts';
import { waitReasons } from '../../../agent/core/pull-plan.ts';
import { createMetrics, type Metrics, runtimeOperations } from '../../../agent/ops/metrics.ts';

const build = { version: '1.2.3', revision: 'abc', nodeVersion: '24.0.0' };
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics(build);
});

/** Every value by its name and labels, as Prometheus would read it. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** Records something of everything. */
function recordAll(): void {
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
  metrics.highWatermark(0.75);
  metrics.imageSets([{ imageSet: 'gpu', desired: 3, present: 2, readyAt: undefined }]);
  metrics.pullsNow(new Map([['disk', 2]]), 4, 1);
  metrics.pullStarted(7);
  metrics.pulledBytes(1234);
  metrics.pullSucceeded(42, false);
  metrics.pullFailed('auth');
  metrics.imagesLost(2);
}

describe('the metrics', () => {
  it.skipIf(!hasPromtool && process.env['CI'] !== 'true')('pass promtool check metrics, empty and full', async () => {
    for (const fill of [() => undefined, recordAll]) {
      fill();
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: await metrics.render(), encoding: 'utf8' });
      expect({ status: checked.status, said: checked.stdout + checked.stderr }).toEqual({ status: 0, said: '' });
    }
  });

  it('are those of the reference, both ways', async () => {
    recordAll();
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
    recordAll();
    const text = await metrics.render();
    for (const [, name, labels = ''] of reference.matchAll(/^\| `(stevedore_\w+)` \| \w+ \| (.*?)\|/gm)) {
      const documented = [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label);
      const sample = new RegExp(`^${name}(?:_count)?(?:\\{(.*)\\})? `, 'm').exec(text);
      const served = [...(sample?.[1] ?? '').matchAll(/(\w+)="/g)].map(([, label = '']) => label);
      expect({ name, labels: documented.toSorted() }).toEqual({ name, labels: served.toSorted() });
    }
    for (const value of [...failureCodes, ...waitReasons, ...runtimeOperations])
      expect(reference).toContain(`\`${value}\``);
  });

  it('start every known series at 0', async () => {
    const values = await scrape();
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
    recordAll();
    const values = await scrape();
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
    const values = await scrape();
    expect(values.get('stevedore_config_last_reload_successful')).toBe(0);
    expect(values.get('stevedore_config_last_reload_success_timestamp_seconds')).toBe(5);
    expect(values.get('stevedore_config_reload_failures_total')).toBe(1);
    expect(values.get('stevedore_config_reloads_total')).toBe(2);
  });

  it('forget image sets that are gone, waits that are over, and the filesystem and runtime of before', async () => {
    recordAll();
    metrics.imageSets([{ imageSet: 'base', desired: 1, present: 1, readyAt: 3000 }]);
    metrics.pullsNow(new Map(), 0, 0);
    metrics.imageFilesystem({ mountpoint: '/other', sizeBytes: 1, availBytes: 1, files: 1, filesFree: 1 });
    const values = await scrape();
    expect([...values.keys()].filter((name) => name.includes('gpu') || name.includes('/images'))).toEqual([]);
    expect(values.get('stevedore_image_set_ready_timestamp_seconds{image_set="base"}')).toBe(3);
    expect(values.get('stevedore_image_pulls_waiting{reason="disk"}')).toBe(0);
  });

  it('leave pulls that fetched nothing out of the durations', async () => {
    metrics.pullSucceeded(3, true);
    expect((await scrape()).get('stevedore_image_pull_duration_seconds_count')).toBe(0);
  });

  it('include the process, without what promtool refuses and what costs CPU', async () => {
    const names = [...(await scrape()).keys()];
    expect(names).toContain('process_resident_memory_bytes');
    expect(names).toContain('nodejs_eventloop_lag_seconds');
    expect(names.filter((name) => /nodejs_active_\w+_total|lag_p99/.test(name))).toEqual([]);
  });

  it('stay apart from those of another agent in the process', async () => {
    createMetrics(build).imagesLost(9);
    expect((await scrape()).get('stevedore_prefetched_images_lost_total')).toBe(0);
  });
});
