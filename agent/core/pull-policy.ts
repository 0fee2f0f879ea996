import { isAllowed } from './allow.ts';
import type { Configuration } from './configuration.ts';
import type { NodeState } from './node-state.ts';
import type { PullPolicy } from './pull-planner.ts';
import { windowState } from './window.ts';

/** `master` is what kubeadm before 1.24 set. */
const controlPlaneLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** What the configuration lets this node pull, and how much at once. */
export function toPullPolicy(configuration: Configuration, { labels }: NodeState): PullPolicy {
  const { prefetch, registries, prune } = configuration;
  const hosts = registries.map(({ host }) => host);
  const isControlPlane = controlPlaneLabels.some((label) => Object.hasOwn(labels, label));
  return {
    enabled: prefetch.enabled,
    concurrency: prefetch.concurrency ?? (isControlPlane ? 1 : 2),
    isAllowed: (reference) => isAllowed(reference, prefetch.allow, hosts),
    maxImageSizeBytes: prefetch.maxImageSizeBytes,
    highWatermark: prune.watermarks.high,
    windowState,
  };
}
