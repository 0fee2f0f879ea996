import { isDeepStrictEqual } from 'node:util';
import { isAllowed } from './allow.ts';
import type { Configuration } from './configuration.ts';
import { toHolds } from './node-holds.ts';
import type { NodeState } from './node-state.ts';
import type { PullPolicy } from './pull-planner.ts';
import { toSpreadDelays } from './spread.ts';
import { windowState } from './window.ts';

/** `master` is what kubeadm before 1.24 set. */
const controlPlaneLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** What the configuration and the node itself let this node pull, and how much at once; slot and gate are for others to say. */
export function toPullPolicy(configuration: Configuration, node: NodeState): PullPolicy {
  const { prefetch, registries, prune, imageSets } = configuration;
  const hosts = registries.map(({ host }) => host);
  const isControlPlane = controlPlaneLabels.some((label) => Object.hasOwn(node.labels, label));
  return {
    enabled: prefetch.enabled,
    hold: toHolds(node, prefetch).pull,
    slot: 'free',
    spreadDelayMs: toSpreadDelays(node.name, imageSets, prefetch.spreadOverMs),
    gatedGoAt: undefined,
    concurrency: prefetch.concurrency ?? (isControlPlane ? 1 : 2),
    isAllowed: (reference) => isAllowed(reference, prefetch.allow, hosts),
    maxImageSizeBytes: prefetch.maxImageSizeBytes,
    highWatermark: prune.watermarks.high,
    windowState,
  };
}

/** Whether answers of registries, and refusals of them, may be others with the second configuration. Image sets are not looked at. */
export function changesPulling(before: Configuration, after: Configuration): boolean {
  const toAnswers = ({ registries, credentials, prefetch }: Configuration) => ({ registries, credentials, prefetch });
  return !isDeepStrictEqual(toAnswers(before), toAnswers(after));
}
