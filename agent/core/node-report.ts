/** What the node's labels and its condition say of its image sets. Pure. */

import type { ImageSetState, MissingImage, RefusedHere } from './image-set-state.ts';
import { imageSetLabelPrefix } from './label-syntax.ts';
import type { NodeCondition, NodeState } from './node-state.ts';
import { toShortText } from './short-text.ts';

/** Keys and fields to change, and no others. */
export interface NodeStatusPatch {
  /** Null removes the label. */
  readonly labels: Readonly<Record<string, string | null>>;
  /** Undefined: leave it; otherwise it is set or removed. Times are epoch ms. */
  readonly condition:
    | {
        readonly type: string;
        readonly status: 'True' | 'False';
        readonly reason: string;
        readonly message: string;
        readonly lastHeartbeatAt: number;
        readonly lastTransitionAt: number;
      }
    | { readonly type: string; readonly remove: true }
    | undefined;
}

export type ImageSetLabel = 'ready' | 'pending';

export interface NodeReport {
  /** What the Node must be told now; undefined: it says everything already. */
  readonly patch: NodeStatusPatch | undefined;
  /** Labels or the condition's status are wrong; otherwise only its words or its heartbeat. */
  readonly isUrgent: boolean;
  /** When the next heartbeat is due, epoch ms. */
  readonly heartbeatDueAt: number;
}

export const imageSetsCondition = 'ImageSetsReady';

/** As often as the kubelet writes a Node that does not change (`nodeStatusReportFrequency`), and never more often. */
const heartbeatMs = 300_000;
/** By so much nodes that began together drift apart. */
const heartbeatJitterMs = 60_000;
/** A heartbeat from further ahead than this was written by a clock that has been set since. */
const clockSlackMs = 60_000;
const maxMessageBytes = 1_024;
/** A runtime's message can be a page; the first words are those that help. */
const maxFailureBytes = 256;
/** An API server stores times of a condition in whole seconds. */
const secondMs = 1_000;

/**
 * Compares what is with what the Node says. Labels of sets that do not select the node (any more) go, also those that an earlier configuration
 * left. Whenever something is written, the heartbeat is renewed with it.
 */
export function planNodeReport(sets: readonly ImageSetState[], node: NodeState, now: number): NodeReport {
  const at = Math.floor(now / secondMs) * secondMs;
  const labels = planLabels(sets, node);
  const wanted = toCondition(sets);
  const current = node.conditions.find(({ type }) => type === imageSetsCondition);
  const isOtherStatus = current?.status !== wanted.status;
  const heartbeatDueAt = toHeartbeatDueAt(current, node.name, now);
  const isUrgent = isOtherStatus || Object.keys(labels).length > 0;
  const isOtherText = current?.reason !== wanted.reason || current.message !== wanted.message;
  if (!isUrgent && !isOtherText && heartbeatDueAt > now) return { patch: undefined, isUrgent, heartbeatDueAt };
  const lastTransitionAt = isOtherStatus ? at : (current?.lastTransitionAt ?? at);
  return {
    patch: {
      labels,
      condition: { type: imageSetsCondition, ...wanted, lastHeartbeatAt: at, lastTransitionAt },
    },
    isUrgent,
    heartbeatDueAt,
  };
}

/** The Node as it is once the patch is stored. */
export function applyNodePatch(node: NodeState, { labels, condition }: NodeStatusPatch): NodeState {
  const now = Object.entries({ ...node.labels, ...labels }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  if (condition === undefined) return { ...node, labels: Object.fromEntries(now) };
  const others = node.conditions.filter(({ type }) => type !== condition.type);
  const conditions = 'remove' in condition ? others : [...others, condition];
  return { ...node, labels: Object.fromEntries(now), conditions };
}

/** What takes back all that was ever told; undefined: nothing was. */
export function planNodeClearance({ labels, conditions }: NodeState): NodeStatusPatch | undefined {
  const ours = Object.keys(labels).filter((key) => key.startsWith(imageSetLabelPrefix));
  const hasCondition = conditions.some(({ type }) => type === imageSetsCondition);
  if (ours.length === 0 && !hasCondition) return undefined;
  return {
    labels: Object.fromEntries(ours.map((key) => [key, null])),
    condition: hasCondition ? { type: imageSetsCondition, remove: true } : undefined,
  };
}

function planLabels(sets: readonly ImageSetState[], { labels }: NodeState): Record<string, string | null> {
  const wanted = new Map<string, ImageSetLabel>(
    sets.map(({ name, missing }) => [imageSetLabelPrefix + name, missing.length === 0 ? 'ready' : 'pending']),
  );
  const stale = Object.keys(labels).filter((key) => key.startsWith(imageSetLabelPrefix) && !wanted.has(key));
  const other = [...wanted].filter(([key, value]) => labels[key] !== value);
  return Object.fromEntries([...stale.map((key) => [key, null] as const), ...other]);
}

function toCondition(sets: readonly ImageSetState[]): {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
} {
  if (sets.length === 0) {
    return { status: 'True', reason: 'NoImageSets', message: 'no image set selects this node' };
  }
  const pending = sets.filter(({ missing }) => missing.length > 0);
  if (pending.length === 0) {
    const message = `every image of ${sets.map(({ name }) => name).join(', ')} is present`;
    const refused = sets.flatMap(({ refused: ones = [] }) => ones);
    const text = toShortText(message, maxMessageBytes - maxFailureBytes);
    const more = refused.length === 0 ? '' : `; ${toShortText(toRefusedText(refused), maxFailureBytes - 2)}`;
    return { status: 'True', reason: 'ImageSetsReady', message: text + more };
  }
  const failed = pending.flatMap(({ missing }) => missing).find(({ failure }) => failure !== undefined);
  const counts = pending.map(({ name, images, missing }) => `${name} lacks ${missing.length} of ${images} images`);
  const text = toShortText(counts.join(', '), maxMessageBytes - maxFailureBytes);
  return {
    status: 'False',
    reason: failed === undefined ? 'ImageSetsPending' : 'ImageSetsFailed',
    message: failed === undefined ? text : `${text}; ${toShortText(toFailureText(failed), maxFailureBytes - 2)}`,
  };
}

function toFailureText({ reference, failure, message }: MissingImage): string {
  return [reference, failure, message].filter((part) => part !== undefined).join(': ');
}

/** They are here and stay; what would be pulled under their names now is not given out. */
function toRefusedText(refused: readonly RefusedHere[]): string {
  const [first] = refused;
  const count = new Set(refused.map(({ reference }) => reference)).size;
  return `refused by their registry: ${count}, such as ${first?.reference}: ${first?.message}`;
}

function toHeartbeatDueAt(current: NodeCondition | undefined, nodeName: string, now: number): number {
  const lastAt = current?.lastHeartbeatAt;
  if (lastAt === undefined || lastAt > now + clockSlackMs) return now;
  return lastAt + heartbeatMs + toShare(nodeName) * heartbeatJitterMs;
}

/** The same for a name every time, 0 to 1 (FNV-1a). */
function toShare(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
