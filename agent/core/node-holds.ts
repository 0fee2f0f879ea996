/** What on the node itself holds a job back: the pause annotation, a drain, disk pressure. Pure. */

import { isDeepStrictEqual } from 'node:util';
import type { PrefetchSettings } from './configuration.ts';
import { imageSetLabelPrefix } from './label-syntax.ts';
import type { NodeState, NodeTaint } from './node-state.ts';

/** Why the node itself holds a job back. */
export const holdReasons = ['pause', 'drain', 'pressure'] as const;
export type HoldReason = (typeof holdReasons)[number];

export interface NodeHold {
  readonly reason: HoldReason;
  /** Names the annotation, taint or condition; the same text as long as nothing changes. */
  readonly message: string;
}

/** Undefined: nothing holds that job back. */
export interface NodeHolds {
  readonly pull: NodeHold | undefined;
  readonly prune: NodeHold | undefined;
}

/** `pull`, `prune` or `all`; anything else is taken as `all`, since somebody meant to stop something. */
export const pauseAnnotation = 'stevedore.dev/pause';

/** Set on a node that is about to be deleted: by cluster-autoscaler, by Karpenter since 1.0, and by Karpenter before that. */
const deletionTaints: readonly { readonly key: string; readonly value?: string }[] = [
  { key: 'ToBeDeletedByClusterAutoscaler' },
  { key: 'karpenter.sh/disrupted' },
  { key: 'karpenter.sh/disruption', value: 'disrupting' },
];

export function toHolds(
  node: Pick<NodeState, 'annotations' | 'taints' | 'unschedulable' | 'conditions'>,
  { pauseOnDrain }: Pick<PrefetchSettings, 'pauseOnDrain'>,
): NodeHolds {
  const pause = toPause(node.annotations[pauseAnnotation]);
  return {
    pull: pause.pull ?? (pauseOnDrain ? toDrain(node) : undefined) ?? toPressure(node),
    // Neither a drain nor a full disk is a reason to keep what nobody uses.
    prune: pause.prune,
  };
}

/** Whether the node's change bears on what is pulled. What Stevedore itself writes does not, nor what only others look at. */
export function concernsPulls(
  before: NodeState,
  after: NodeState,
  settings: Pick<PrefetchSettings, 'pauseOnDrain'>,
): boolean {
  const basis = (node: NodeState) => ({
    name: node.name,
    labels: Object.fromEntries(Object.entries(node.labels).filter(([key]) => !key.startsWith(imageSetLabelPrefix))),
    holds: toHolds(node, settings),
  });
  return !isDeepStrictEqual(basis(before), basis(after));
}

function toPause(value: string | undefined): NodeHolds {
  if (value === undefined) return { pull: undefined, prune: undefined };
  const written = `the node has the annotation ${pauseAnnotation}`;
  if (value === 'pull' || value === 'prune') {
    const hold: NodeHold = { reason: 'pause', message: `${written}: ${value}` };
    return { pull: value === 'pull' ? hold : undefined, prune: value === 'prune' ? hold : undefined };
  }
  const message =
    value === 'all'
      ? `${written}: all`
      : `${written} with ${JSON.stringify(value.slice(0, 40))}, which is none of pull, prune, all and is taken as all`;
  return { pull: { reason: 'pause', message }, prune: { reason: 'pause', message } };
}

function toDrain({ taints, unschedulable }: Pick<NodeState, 'taints' | 'unschedulable'>): NodeHold | undefined {
  const taint = taints.find(isDeletion);
  if (taint !== undefined) {
    return { reason: 'drain', message: `the node is about to be deleted: it has the taint ${toText(taint)}` };
  }
  return unschedulable ? { reason: 'drain', message: 'the node is cordoned: spec.unschedulable is true' } : undefined;
}

/** A soft effect marks a candidate, not a decision. */
function isDeletion({ key, value, effect }: NodeTaint): boolean {
  if (effect === 'PreferNoSchedule') return false;
  return deletionTaints.some((taint) => taint.key === key && (taint.value === undefined || taint.value === value));
}

function toText({ key, value, effect }: NodeTaint): string {
  return value === undefined || value === '' ? `${key}:${effect}` : `${key}=${value}:${effect}`;
}

function toPressure({ conditions }: Pick<NodeState, 'conditions'>): NodeHold | undefined {
  const isUnderPressure = conditions.some(({ type, status }) => type === 'DiskPressure' && status === 'True');
  return isUnderPressure ? { reason: 'pressure', message: "the node's condition DiskPressure is True" } : undefined;
}
