/** All metrics: names and units follow Prometheus' naming rules, buckets the kubelet's where it measures the like. */

import { Counter, collectDefaultMetrics, exponentialBuckets, Gauge, Histogram, Registry } from 'prom-client';
import { failureCodes } from '../core/failure.ts';
import { waitReasons } from '../core/pull-plan.ts';
import type { Recorder } from '../work/recorder.ts';
import type { BuildInfo } from './build-info.ts';

export interface Metrics extends Recorder {
  /** Of what `render` returns: the Prometheus text format. */
  readonly contentType: string;
  render(): Promise<string>;
}

/** The calls that are known beforehand, so that their series exist from the start. */
export const runtimeOperations = [
  'info',
  'list_images',
  'list_containers',
  'list_layers',
  'pull_image',
  'remove_image',
  'pin_image',
] as const;

/** Of `kubelet_image_pull_duration_seconds`. */
const pullBuckets = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];
/** Of `kubelet_runtime_operations_duration_seconds`. */
const operationBuckets = exponentialBuckets(0.005, 2.5, 14);

/** Builds the metrics on a registry of their own: two agents in one process do not meet. */
export function createMetrics(build: BuildInfo): Metrics {
  const registry = new Registry();
  addProcessMetrics(registry);
  const metrics = defineMetrics(registry);
  initialise(metrics);
  const { version, revision, nodeVersion } = build;
  metrics.buildInfo.set({ version, revision, node_version: nodeVersion }, 1);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    ...createRecorder(metrics),
  };
}

function defineMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Gauge<Label>({ name: `stevedore_${name}`, help, labelNames: [...labelNames], registers });
  const counter = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name: `stevedore_${name}`, help, labelNames: [...labelNames], registers });
  const histogram = <Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[] = [],
  ) => new Histogram<Label>({ name: `stevedore_${name}`, help, buckets, labelNames: [...labelNames], registers });
  return {
    buildInfo: gauge('build_info', 'Always 1; the labels say what runs.', ['version', 'revision', 'node_version']),
    reloadSuccessful: gauge(
      'config_last_reload_successful',
      'Whether the last configuration that was read was accepted (1) or rejected (0).',
    ),
    reloadSuccessAt: gauge(
      'config_last_reload_success_timestamp_seconds',
      'When a configuration was last accepted, in seconds since the epoch; 0: not yet.',
    ),
    reloads: counter('config_reloads_total', 'Configurations that were read, accepted or not.'),
    reloadFailures: counter('config_reload_failures_total', 'Configurations that were rejected.'),
    dryRun: gauge('dry_run', 'Whether the agent only plans (1) or acts (0).'),

    runtimeInfo: gauge('runtime_info', 'Always 1; the labels say which container runtime the node has.', [
      'runtime',
      'version',
      'image_store',
      'snapshotter',
    ]),
    runtimeUp: gauge('runtime_up', 'Whether the container runtime answered when it was last asked (1) or not (0).'),
    operations: counter('runtime_operations_total', 'Calls to the container runtime.', ['operation_type']),
    operationErrors: counter('runtime_operations_errors_total', 'Calls to the container runtime that failed.', [
      'operation_type',
    ]),
    operationDuration: histogram(
      'runtime_operations_duration_seconds',
      'How long calls to the container runtime took, in seconds.',
      operationBuckets,
      ['operation_type'],
    ),
    eventStreamRestarts: counter(
      'runtime_event_stream_restarts_total',
      "How often the container runtime's event stream was lost; everything is looked at again after each.",
    ),

    filesystemSize: gauge('image_filesystem_size_bytes', 'Size of the filesystem that images are on, in bytes.', [
      'mountpoint',
    ]),
    filesystemAvail: gauge(
      'image_filesystem_avail_bytes',
      'Bytes that an unprivileged user may still write on the filesystem that images are on.',
      ['mountpoint'],
    ),
    filesystemFiles: gauge('image_filesystem_files', 'Inodes of the filesystem that images are on.', ['mountpoint']),
    filesystemFilesFree: gauge('image_filesystem_files_free', 'Free inodes of the filesystem that images are on.', [
      'mountpoint',
    ]),
    watermark: gauge('watermark_ratio', 'Configured watermarks as used share of the image filesystem, 0 to 1.', [
      'level',
    ]),

    imagesDesired: gauge('image_set_images_desired', 'Images that a selected image set asks this node to hold.', [
      'image_set',
    ]),
    imagesPresent: gauge('image_set_images_present', 'Images of a selected image set that this node holds.', [
      'image_set',
    ]),
    imageSetReadyAt: gauge(
      'image_set_ready_timestamp_seconds',
      'When the image set first became complete for its current definition, in seconds since the epoch; 0: not yet.',
      ['image_set'],
    ),

    pulls: counter('image_pulls_total', 'Pulls that were handed to the container runtime.'),
    pullFailures: counter('image_pull_failures_total', 'Pulls that failed.', ['reason']),
    pullsWaiting: gauge('image_pulls_waiting', 'Desired images whose pull waits now.', ['reason']),
    pullsInProgress: gauge('image_pulls_in_progress', 'Pulls that run now.'),
    pullsQueued: gauge('image_pulls_queued', 'Pulls that could run now but for the concurrency limit.'),
    pullDuration: histogram(
      'image_pull_duration_seconds',
      'How long pulls took, in seconds, without their time in the queue; pulls that fetched nothing are left out.',
      pullBuckets,
    ),
    queueDuration: histogram(
      'image_pull_queue_duration_seconds',
      'How long pulls stood in the queue before they began, in seconds.',
      pullBuckets,
    ),
    pullBytes: counter('image_pull_bytes_total', 'Bytes that pulls fetched from registries.'),
    imagesLost: counter(
      'prefetched_images_lost_total',
      'Desired images that vanished without the agent: removed by the kubelet or by hand.',
    ),
  };
}

type AgentMetrics = ReturnType<typeof defineMetrics>;

/** A series that appears with its first event hides that event from rate(): those that are known start at 0. */
function initialise(metrics: AgentMetrics): void {
  for (const operation_type of runtimeOperations) {
    metrics.operations.inc({ operation_type }, 0);
    metrics.operationErrors.inc({ operation_type }, 0);
    metrics.operationDuration.zero({ operation_type });
  }
  for (const reason of failureCodes) metrics.pullFailures.inc({ reason }, 0);
  for (const reason of waitReasons) metrics.pullsWaiting.set({ reason }, 0);
}

function createRecorder(metrics: AgentMetrics): Recorder {
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
    highWatermark: (ratio) => metrics.watermark.set({ level: 'high' }, ratio),
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
  };
}

/** A day: longer than the timer that it sets is wanted to sleep. */
const neverMs = 86_400_000;

/**
 * prom-client's metrics of the process and of Node, but for the three whose names break the naming rules (gauges called
 * `_total`), and for the event loop's delay percentiles, whose 10 ms timer costs an idle process more CPU than all the
 * rest (measured with prom-client 15.1 on Node 24). `nodejs_eventloop_lag_seconds`, taken at each scrape, stays.
 */
function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: neverMs });
  for (const name of ['handles', 'requests', 'resources']) {
    register.removeSingleMetric(`nodejs_active_${name}_total`);
  }
  for (const name of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    register.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
  }
}
