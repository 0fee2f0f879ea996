/** Metrics of the work with Kubernetes; they exist on a node without it too, at 0. */

import type { Registry } from 'prom-client';
import { gateReleaseReasons } from '../core/gate.ts';
import { holdReasons } from '../core/node-holds.ts';
import type { ClusterRecorder } from '../work/cluster-recorder.ts';
import { createMetricFactory } from './metric-factory.ts';

export type ClusterMetrics = ReturnType<typeof defineClusterMetrics>;

const slotWaitBuckets = [1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
const knownRequests = [
  ['list', 'nodes', '200'],
  ['watch', 'nodes', '200'],
  ['list', 'configmaps', '200'],
  ['watch', 'configmaps', '200'],
  ['patch', 'nodes/status', '200'],
  ['create', 'events', '201'],
] as const;
const holdableJobs = ['pull', 'prune'] as const;

export function defineClusterMetrics(registry: Registry) {
  const { gauge, counter, histogram } = createMetricFactory(registry);
  return {
    requests: counter(
      'cluster_requests_total',
      'Requests to the API server, watches included, by HTTP status; code is error where no answer came.',
      ['verb', 'resource', 'code'],
    ),
    watchRestarts: counter('cluster_watch_restarts_total', 'Watches that broke and began again.', ['resource']),
    up: gauge(
      'cluster_up',
      'Whether the watches of the API server are known to live (1) or not (0); 0 without a cluster.',
    ),
    contactAt: gauge(
      'cluster_last_contact_timestamp_seconds',
      'When the API server was last heard, bookmarks included, in seconds since the epoch; 0: not yet.',
    ),
    teamsRefused: gauge('team_configmaps_refused', 'Team ConfigMaps that are refused now, whole or in part.'),
    policyInForce: gauge(
      'admission_policy_in_force',
      'Whether the API server refused a change of a foreign label when the agent tested it (1) or would have taken it (0); -1: not tested.',
    ),
    holds: gauge('node_holds', 'Whether the node itself holds a job back now (1) and why.', ['job', 'reason']),
    slotHeld: gauge('pull_slot_held', "Whether the node holds one of the cluster's pull slots (1); 0 without a limit."),
    slotWait: histogram(
      'pull_slot_wait_seconds',
      'How long the node waited for a pull slot before it got one, in seconds.',
      slotWaitBuckets,
    ),
    slotFailedOpen: counter(
      'pull_slot_failed_open_total',
      'Times that pulls went on without a slot as the Leases could not be asked.',
    ),
    gateHeld: gauge('gate_held', "Whether the node carries the gate's taint and waits for its sets (1) or not (0)."),
    gateReleases: counter('gate_releases_total', "Times that the gate's taint was removed, and why.", ['reason']),
    gateHoldSeconds: gauge(
      'gate_last_hold_seconds',
      'How long the gate held the node the last time, in seconds; 0: it has not released it yet.',
    ),
    eventsDropped: counter(
      'node_events_dropped_total',
      'Events on the Node that could not be written, or were left out as there were too many.',
    ),
  };
}

export function initialiseClusterMetrics(metrics: ClusterMetrics): void {
  metrics.policyInForce.set(-1);
  for (const [verb, resource, success] of knownRequests) {
    for (const code of [success, 'error']) metrics.requests.inc({ verb, resource, code }, 0);
  }
  for (const resource of ['nodes', 'configmaps']) metrics.watchRestarts.inc({ resource }, 0);
  for (const job of holdableJobs) for (const reason of holdReasons) metrics.holds.set({ job, reason }, 0);
  for (const reason of gateReleaseReasons) metrics.gateReleases.inc({ reason }, 0);
}

export function createClusterRecorder(metrics: ClusterMetrics): ClusterRecorder {
  return {
    clusterRequest: (verb, resource, code) => metrics.requests.inc({ verb, resource, code }),
    clusterWatchRestarted: (resource) => metrics.watchRestarts.inc({ resource }),
    clusterUp: (up) => metrics.up.set(Number(up)),
    clusterContact: (at) => metrics.contactAt.set(at / 1000),
    teamConfigMapsRefused: (count) => metrics.teamsRefused.set(count),
    admissionPolicyInForce: (inForce) => metrics.policyInForce.set(inForce === undefined ? -1 : Number(inForce)),
    nodeHolds: (pull, prune) => {
      const held = { pull, prune };
      for (const job of holdableJobs) {
        for (const reason of holdReasons) metrics.holds.set({ job, reason }, Number(held[job] === reason));
      }
    },
    pullSlotHeld: (held) => metrics.slotHeld.set(Number(held)),
    pullSlotAcquired: (waitedSeconds) => metrics.slotWait.observe(waitedSeconds),
    pullSlotFailedOpen: () => metrics.slotFailedOpen.inc(),
    gateHeld: (held) => metrics.gateHeld.set(Number(held)),
    gateReleased: (reason, heldSeconds) => {
      metrics.gateReleases.inc({ reason });
      metrics.gateHoldSeconds.set(heldSeconds);
    },
    nodeEventDropped: () => metrics.eventsDropped.inc(),
  };
}
