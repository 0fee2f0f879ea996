import { beforeEach, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../../../agent/ops/metrics.ts';
import { build, scrape } from './recorded.ts';

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics(build);
});

const read = async (series: string): Promise<number | undefined> => (await scrape(metrics)).get(`stevedore_${series}`);

it.each<[series: string, before: number | undefined, record: (into: Metrics) => void, after: number]>([
  ['cluster_up', 0, (into) => into.clusterUp(true), 1],
  ['cluster_last_contact_timestamp_seconds', 0, (into) => into.clusterContact(1_700_000_000_500), 1_700_000_000.5],
  [
    'cluster_requests_total{verb="list",resource="leases",code="403"}',
    undefined,
    (into) => into.clusterRequest('list', 'leases', '403'),
    1,
  ],
  ['cluster_watch_restarts_total{resource="nodes"}', 0, (into) => into.clusterWatchRestarted('nodes'), 1],
  ['team_configmaps_refused', 0, (into) => into.teamConfigMapsRefused(3), 3],
  ['admission_policy_in_force', -1, (into) => into.admissionPolicyInForce(true), 1],
  ['admission_policy_in_force', -1, (into) => into.admissionPolicyInForce(false), 0],
  ['node_holds{job="pull",reason="drain"}', 0, (into) => into.nodeHolds('drain', undefined), 1],
  ['node_holds{job="prune",reason="pause"}', 0, (into) => into.nodeHolds(undefined, 'pause'), 1],
  ['pull_slot_held', 0, (into) => into.pullSlotHeld(true), 1],
  ['pull_slot_wait_seconds_sum', 0, (into) => into.pullSlotAcquired(42), 42],
  ['pull_slot_wait_seconds_bucket{le="30"}', 0, (into) => into.pullSlotAcquired(29), 1],
  ['pull_slot_failed_open_total', 0, (into) => into.pullSlotFailedOpen(), 1],
  ['gate_held', 0, (into) => into.gateHeld(true), 1],
  ['gate_releases_total{reason="deadline"}', 0, (into) => into.gateReleased('deadline', 900), 1],
  ['gate_last_hold_seconds', 0, (into) => into.gateReleased('ready', 7), 7],
  ['node_events_dropped_total', 0, (into) => into.nodeEventDropped(), 1],
])('%s', async (series, before, record, after) => {
  expect(await read(series)).toBe(before);
  record(metrics);
  expect(await read(series)).toBe(after);
});

it('what no longer holds goes back to its first value', async () => {
  metrics.nodeHolds('drain', 'pause');
  metrics.nodeHolds('pressure', undefined);
  metrics.admissionPolicyInForce(true);
  metrics.admissionPolicyInForce(undefined);
  expect(await read('node_holds{job="pull",reason="drain"}')).toBe(0);
  expect(await read('node_holds{job="pull",reason="pressure"}')).toBe(1);
  expect(await read('node_holds{job="prune",reason="pause"}')).toBe(0);
  expect(await read('admission_policy_in_force')).toBe(-1);
});
