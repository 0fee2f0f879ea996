/** All metrics: names and units follow Prometheus' naming rules, buckets the kubelet's where it measures the like. */

import { exponentialBuckets, type Registry } from 'prom-client';
import { createMetricFactory } from './metric-factory.ts';

/** Of `kubelet_image_pull_duration_seconds`. */
const pullBuckets = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];
/** Of `kubelet_runtime_operations_duration_seconds`. */
const operationBuckets = exponentialBuckets(0.005, 2.5, 14);
const pruneBuckets = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600];

export type AgentMetrics = ReturnType<typeof defineMetrics>;

export function defineMetrics(registry: Registry) {
  const { gauge, counter, histogram } = createMetricFactory(registry);
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
    dryRun: gauge('dry_run', 'Whether prefetching only plans (1) or pulls (0).'),
    pruneEnabled: gauge('prune_enabled', 'Whether the configuration has pruning switched on (1) or off (0).'),
    pruneDryRun: gauge('prune_dry_run', 'Whether pruning only plans (1) or removes (0).'),

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

    images: gauge(
      'images',
      'Images of the node by what pruning makes of them, as of the last plan; each counts once.',
      ['state'],
    ),
    imagesDiskBytes: gauge(
      'images_disk_bytes',
      'Bytes that all images take on disk, shared parts once, by where they are stored; as of the last prune plan.',
      ['store'],
    ),
    imagesReclaimableBytes: gauge(
      'images_reclaimable_bytes',
      'Bytes that would come back if every image went that nothing protects, whatever its age; as of the last prune plan.',
    ),
    imagesPinned: gauge('images_pinned', "Desired images that carry the agent's pin against the kubelet's collection."),
    prefetchedUsed: counter(
      'prefetched_images_used_total',
      'Prefetched images that a container used for the first time.',
    ),
    prefetchedUnused: gauge('prefetched_images_unused', 'Prefetched images that no container has used yet.'),
    usageTrackedSince: gauge(
      'usage_tracking_start_timestamp_seconds',
      'Since when last use is observed, in seconds since the epoch; 0: not yet.',
    ),
    usageRecords: gauge('usage_records', 'Images whose last use is known.'),
    usageSaveFailures: counter('usage_state_save_failures_total', 'Times that the ledger of last use was not written.'),

    pruneRuns: counter('prune_runs_total', 'Prune runs, dry runs included, by what set them off and how they ended.', [
      'trigger',
      'result',
    ]),
    pruneDuration: histogram('prune_duration_seconds', 'How long prune runs took, in seconds.', pruneBuckets, [
      'trigger',
    ]),
    pruneLastRunAt: gauge(
      'prune_last_run_timestamp_seconds',
      'When a prune run last ended, however it did, in seconds since the epoch; 0: not yet.',
    ),
    pruneLastSuccessAt: gauge(
      'prune_last_success_timestamp_seconds',
      'When a prune run last ended with success or with nothing to do, in seconds since the epoch; 0: not yet.',
    ),
    imagesRemoved: counter('prune_images_removed_total', 'Images that pruning removed.', ['reason']),
    removalFailures: counter('prune_image_removal_failures_total', 'Removals that were begun and did not succeed.', [
      'reason',
    ]),
    planImages: gauge('prune_plan_images', 'Images by decision of the last prune plan, dry run or not.', ['decision']),
    planBytes: gauge(
      'prune_plan_bytes',
      'Sizes of images as the runtime tells them, by decision of the last prune plan; shared layers count in each image.',
      ['decision'],
    ),
    planFreedBytes: gauge(
      'prune_plan_freed_bytes',
      'Bytes on disk that the removals of the last prune plan would free; shared parts count once, with their last image.',
    ),
    pruneTargetBytes: gauge(
      'prune_target_bytes',
      'Bytes that the last prune run was to free; 0: it was not after space.',
    ),
    pruneShortfallBytes: gauge(
      'prune_shortfall_bytes',
      'Bytes that were missing to its target when the last prune run ended; 0: it was met.',
    ),
    reclaimedBytes: counter(
      'prune_reclaimed_bytes_total',
      "Bytes on disk that pruned images gave back: proven, by containerd's accounting of the parts that are gone, or elsewhere by the filesystem's gain around each removal.",
      ['store'],
    ),
    filesystemFreedBytes: counter(
      'prune_filesystem_freed_bytes_total',
      'Bytes that the image filesystem had more free after each prune run than before it, what others wrote or deleted meanwhile included; a loss counts as 0.',
    ),
    removedSizeBytes: counter(
      'prune_image_size_bytes_total',
      "Sizes of pruned images as the runtime tells them, shared layers each time: comparable with the kubelet's figure, and not what the disk got back.",
    ),

    leftovers: gauge('leftovers', 'What else takes disk beside images, by kind, as of the last look at it.', ['kind']),
    leftoverBytes: gauge(
      'leftover_bytes',
      'Bytes of what else takes disk beside images, by kind, as of the last look at it; where the runtime does not tell: 0.',
      ['kind'],
    ),
    leftoversRemoved: counter('leftovers_removed_total', 'Leftovers that pruning removed.', ['kind']),
    leftoverReclaimedBytes: counter(
      'leftover_reclaimed_bytes_total',
      'Bytes of the leftovers that pruning removed, as the runtime told them.',
      ['kind'],
    ),
  };
}
