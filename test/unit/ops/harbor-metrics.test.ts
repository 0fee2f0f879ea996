import { beforeEach, expect, it } from 'vitest';
import { failureCodes } from '../../../agent/core/failure.ts';
import { createMetrics, type Metrics } from '../../../agent/ops/metrics.ts';
import { registryOperations } from '../../../agent/work/harbor-recorder.ts';
import { readFile } from 'node:fs/promises';
import { build, recordAll, scrape } from './recorded.ts';

const registry = 'harbor.example.com';
let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics(build);
});

const read = async (series: string): Promise<number | undefined> => (await scrape(metrics)).get(`stevedore_${series}`);

it.each<[series: string, before: number | undefined, record: (into: Metrics) => void, after: number | undefined]>([
  [
    `registry_requests_total{registry="${registry}",operation="blob",code="307"}`,
    undefined,
    (into) => into.registryRequest(registry, 'blob', '307'),
    1,
  ],
  [
    `registry_failures_total{registry="${registry}",reason="policy"}`,
    undefined,
    (into) => into.registryFailure(registry, 'policy'),
    1,
  ],
  ['coordinator_state{state="off"}', 1, (into) => into.coordinatorState('follower'), 0],
  ['coordinator_state{state="follower"}', 0, (into) => into.coordinatorState('follower'), 1],
  ['coordinator_state{state="none"}', 0, (into) => into.coordinatorState('none'), 1],
  ['resolved_timestamp_seconds', 0, (into) => into.resolvedAt(1_700_000_000_500), 1_700_000_000.5],
  ['resolved_images', 0, (into) => into.resolved(7, 2, 1, 3, 4), 7],
  ['resolved_patterns', 0, (into) => into.resolved(7, 2, 1, 3, 4), 2],
  ['resolved_failed', 0, (into) => into.resolved(7, 2, 1, 3, 4), 1],
  ['resolved_images_refused', 0, (into) => into.resolved(7, 2, 1, 3, 4), 3],
  ['resolve_duration_seconds_sum', 0, (into) => into.resolved(7, 2, 1, 3, 4), 4],
  ['publish_failures_total', 0, (into) => into.publishFailed(), 1],
  ['warm_images{state="warm"}', 0, (into) => into.warmImages(5, 2), 5],
  ['warm_images{state="cold"}', 0, (into) => into.warmImages(5, 2), 2],
  ['warmed_images_total{result="given_up"}', 0, (into) => into.warmed('given_up', 10, 1800), 1],
  ['warm_duration_seconds_count', 0, (into) => into.warmed('given_up', 10, 1800), 0],
  ['warm_duration_seconds_sum', 0, (into) => into.warmed('warm', 10, 21), 21],
  ['warm_bytes_total', 0, (into) => into.warmed('given_up', 10, 1800), 10],
  ['retention_images_at_risk{project="ml"}', undefined, (into) => into.retentionAtRisk('ml', 4), 4],
  ['keep_alive_touches_total', 0, (into) => into.keptAlive(), 1],
  [`harbor_reachable{registry="${registry}"}`, undefined, (into) => into.harborReachable(registry, false), 0],
  [
    `harbor_component_healthy{registry="${registry}",component="redis"}`,
    undefined,
    (into) => into.harborComponent(registry, 'redis', true),
    1,
  ],
  [
    `harbor_project_quota_used_bytes{registry="${registry}",project="ml"}`,
    undefined,
    (into) => into.projectQuota(registry, 'ml', 70, undefined),
    70,
  ],
  [
    `harbor_project_quota_hard_bytes{registry="${registry}",project="ml"}`,
    undefined,
    (into) => into.projectQuota(registry, 'ml', 70, 100),
    100,
  ],
])('%s', async (series, before, record, after) => {
  expect(await read(series)).toBe(before);
  record(metrics);
  expect(await read(series)).toBe(after);
});

it('the failures of a registry are there at 0 from its first request on', async () => {
  metrics.registryRequest(registry, 'token', '200');
  for (const reason of failureCodes) {
    expect(await read(`registry_failures_total{registry="${registry}",reason="${reason}"}`)).toBe(0);
  }
});

it('a quota that was taken away shows no limit any more', async () => {
  metrics.projectQuota(registry, 'ml', 70, 100);
  metrics.projectQuota(registry, 'ml', 70, undefined);
  expect(await read(`harbor_project_quota_hard_bytes{registry="${registry}",project="ml"}`)).toBeUndefined();
});

it('what only a leader knows goes when another one leads; what was counted stays', async () => {
  recordAll(metrics);
  metrics.coordinatorState('follower');
  const values = await scrape(metrics);
  const left = [...values].filter(([name]) => /_(?:harbor|retention)_/.test(name));
  expect(left).toEqual([]);
  expect(values.get('stevedore_warm_images{state="cold"}')).toBe(0);
  expect(values.get('stevedore_resolved_images')).toBe(0);
  expect(values.get('stevedore_resolved_timestamp_seconds')).toBe(1_700_000_000);
  expect(values.get('stevedore_warm_bytes_total')).toBe(1000);
});

it('the reference names every operation', async () => {
  const reference = await readFile(new URL('../../../agent/ops/README.md', import.meta.url), 'utf8');
  for (const operation of registryOperations) expect(reference).toContain(`\`${operation}\``);
});
