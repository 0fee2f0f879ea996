/** Metrics of registries, Harbor and the coordinator. Of what only a leader knows they are absent, or 0, while this agent does not lead. */

import type { Gauge, Registry } from 'prom-client';
import { failureCodes } from '../core/failure.ts';
import type { CoordinatorState, HarborRecorder, WarmOutcome } from '../work/harbor-recorder.ts';
import { createMetricFactory } from './metric-factory.ts';
import { wordsOf } from './metric-initial-values.ts';

export type HarborMetrics = ReturnType<typeof defineHarborMetrics>;

/** A warm image is looked up within seconds; Harbor stores a manifest 20 s after its last blob at the earliest. */
const warmBuckets = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 480, 600, 900, 1200, 1800, 2700, 3600];
const resolveBuckets = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];

const coordinatorStates = wordsOf<CoordinatorState>({ off: true, follower: true, leader: true, none: true });
const warmOutcomes = wordsOf<WarmOutcome>({ warm: true, given_up: true, failed: true, aborted: true });

export function defineHarborMetrics(registry: Registry) {
  const { gauge, counter, histogram } = createMetricFactory(registry);
  return {
    requests: counter(
      'registry_requests_total',
      'Requests to registries and to their APIs by HTTP status; code is error where no answer came.',
      ['registry', 'operation', 'code'],
    ),
    failures: counter(
      'registry_failures_total',
      'Calls to registries and to their APIs that failed for good, after logins and redirects.',
      ['registry', 'reason'],
    ),

    state: gauge('coordinator_state', 'What this agent is to the coordinator: 1 for its state, 0 for the others.', [
      'state',
    ]),
    resolvedAt: gauge(
      'resolved_timestamp_seconds',
      'When tags and patterns were last resolved, by the coordinator or by this node for itself, in seconds since the epoch; 0: never.',
    ),
    resolvedImages: gauge(
      'resolved_images',
      'Images that this agent resolved in its last round, for all or for itself.',
    ),
    resolvedPatterns: gauge(
      'resolved_patterns',
      'Repository patterns that this agent resolved in its last round, for all or for itself.',
    ),
    resolveFailed: gauge(
      'resolved_failed',
      'Images and patterns that the last round could not resolve; what was known of them before stays in force.',
    ),
    resolveRefused: gauge('resolved_images_refused', 'Images that Harbor or a rule refuses, as of the last round.'),
    resolveDuration: histogram(
      'resolve_duration_seconds',
      'How long rounds of resolving took, in seconds.',
      resolveBuckets,
    ),
    publishFailures: counter(
      'publish_failures_total',
      'Times that what was resolved could not be published, or only in part as it is too big.',
    ),

    warmImages: gauge('warm_images', 'Images behind proxy-cache projects, by whether Harbor holds all of them now.', [
      'state',
    ]),
    warmed: counter('warmed_images_total', 'Images that the coordinator began to warm, by how that ended.', ['result']),
    warmBytes: counter('warm_bytes_total', 'Compressed bytes that Harbor fetched since they were warmed.'),
    warmDuration: histogram(
      'warm_duration_seconds',
      'How long it took until an image was warm, in seconds; those that did not get warm are left out.',
      warmBuckets,
    ),

    atRisk: gauge(
      'retention_images_at_risk',
      'Desired images that the retention policy of their project would delete.',
      ['project'],
    ),
    keptAlive: counter('keep_alive_touches_total', 'Manifests that were read to keep a desired image from retention.'),

    reachable: gauge(
      'harbor_reachable',
      'Whether Harbor answered the coordinator when it was last asked (1) or not (0).',
      ['registry'],
    ),
    componentHealthy: gauge('harbor_component_healthy', 'Whether Harbor calls its component healthy (1) or not (0).', [
      'registry',
      'component',
    ]),
    quotaUsed: gauge('harbor_project_quota_used_bytes', 'Bytes that the project uses of its quota.', [
      'registry',
      'project',
    ]),
    quotaHard: gauge('harbor_project_quota_hard_bytes', 'The quota of the project; absent where it has none.', [
      'registry',
      'project',
    ]),
  };
}

export function initialiseHarborMetrics(metrics: HarborMetrics): void {
  for (const state of coordinatorStates) metrics.state.set({ state }, Number(state === 'off'));
  for (const state of ['warm', 'cold']) metrics.warmImages.set({ state }, 0);
  for (const result of warmOutcomes) metrics.warmed.inc({ result }, 0);
}

export function createHarborRecorder(metrics: HarborMetrics): HarborRecorder {
  const known = new Set<string>();

  /** A series that appears with its first failure hides that failure from rate(). */
  function know(registry: string): void {
    if (known.has(registry)) return;
    known.add(registry);
    for (const reason of failureCodes) metrics.failures.inc({ registry, reason }, 0);
  }

  /** What a former leader last saw is somebody else's to say now. */
  function forgetLeading(): void {
    const gauges: readonly Gauge[] = [
      metrics.atRisk,
      metrics.reachable,
      metrics.componentHealthy,
      metrics.quotaUsed,
      metrics.quotaHard,
    ];
    for (const gauge of gauges) gauge.reset();
    for (const state of ['warm', 'cold']) metrics.warmImages.set({ state }, 0);
    for (const gauge of [
      metrics.resolvedImages,
      metrics.resolvedPatterns,
      metrics.resolveFailed,
      metrics.resolveRefused,
    ])
      gauge.set(0);
  }

  return {
    registryRequest: (registry, operation, code) => {
      know(registry);
      metrics.requests.inc({ registry, operation, code });
    },
    registryFailure: (registry, reason) => {
      know(registry);
      metrics.failures.inc({ registry, reason });
    },

    coordinatorState: (now) => {
      for (const state of coordinatorStates) metrics.state.set({ state }, Number(state === now));
      if (now !== 'leader') forgetLeading();
    },
    resolvedAt: (at) => metrics.resolvedAt.set((at ?? 0) / 1000),
    resolved: (images, patterns, failed, refused, seconds) => {
      metrics.resolvedImages.set(images);
      metrics.resolvedPatterns.set(patterns);
      metrics.resolveFailed.set(failed);
      metrics.resolveRefused.set(refused);
      metrics.resolveDuration.observe(seconds);
    },
    publishFailed: () => metrics.publishFailures.inc(),

    warmImages: (warm, cold) => {
      metrics.warmImages.set({ state: 'warm' }, warm);
      metrics.warmImages.set({ state: 'cold' }, cold);
    },
    warmed: (result, bytes, seconds) => {
      metrics.warmed.inc({ result });
      metrics.warmBytes.inc(bytes);
      if (result === 'warm') metrics.warmDuration.observe(seconds);
    },

    retentionAtRisk: (project, images) => metrics.atRisk.set({ project }, images),
    keptAlive: () => metrics.keptAlive.inc(),

    harborReachable: (registry, reachable) => metrics.reachable.set({ registry }, Number(reachable)),
    harborComponent: (registry, component, healthy) =>
      metrics.componentHealthy.set({ registry, component }, Number(healthy)),
    projectQuota: (registry, project, usedBytes, hardBytes) => {
      metrics.quotaUsed.set({ registry, project }, usedBytes);
      if (hardBytes === undefined) metrics.quotaHard.remove({ registry, project });
      else metrics.quotaHard.set({ registry, project }, hardBytes);
    },
  };
}
