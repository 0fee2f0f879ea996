/** What is written to the API server. */

import type { AccessQuestion, ClusterEvent, NodeStatusPatch } from './cluster.ts';
import { type Fields, readList, readRecord } from './fields.ts';
import { annotationPrefix, toMicroTime } from './objects.ts';

const maxNoteBytes = 1024;
const maxInstanceLength = 128;
/** Of an object's name. */
const maxNameLength = 253;

/** A strategic merge patch: it merges labels by key and conditions by type; a JSON merge patch would replace all conditions. */
export function toStatusPatch({ labels, condition }: NodeStatusPatch): unknown {
  return {
    ...(Object.keys(labels).length === 0 ? {} : { metadata: { labels } }),
    ...(condition === undefined ? {} : { status: { conditions: [toConditionPatch(condition)] } }),
  };
}

function toConditionPatch(condition: NonNullable<NodeStatusPatch['condition']>): unknown {
  if ('remove' in condition) return { $patch: 'delete', type: condition.type };
  const { type, status, reason, message, lastHeartbeatAt, lastTransitionAt } = condition;
  return {
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: toSeconds(lastHeartbeatAt),
    lastTransitionTime: toSeconds(lastTransitionAt),
  };
}

function toSeconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/**
 * A JSON patch that removes the taints with this key, each tested to be where it was: every other patch type replaces the list and
 * would undo what others did to it meanwhile. Undefined: there is none.
 */
export function toTaintRemoval(node: unknown, key: string): readonly unknown[] | undefined {
  const taints = readList(readRecord(readRecord(node)['spec'])['taints']);
  const found = taints.flatMap((taint, index) => (readRecord(taint)['key'] === key ? [{ taint, index }] : []));
  if (found.length === 0) return undefined;
  // From the end, so that the places before stay what they are.
  return found.toReversed().flatMap(({ taint, index }) => [
    { op: 'test', path: `/spec/taints/${index}`, value: taint },
    { op: 'remove', path: `/spec/taints/${index}` },
  ]);
}

export interface EventSource {
  readonly nodeName: string;
  readonly at: number;
  /** Hexadecimal, new for each Event. */
  readonly suffix: string;
}

/** `events.k8s.io/v1`; an Event about a Node belongs to the namespace `default`. */
export function toEventBody({ type, reason, action, note }: ClusterEvent, source: EventSource): unknown {
  const { nodeName, at, suffix } = source;
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: `${nodeName.slice(0, maxNameLength - suffix.length - 1)}.${suffix}`, namespace: 'default' },
    type,
    reason,
    action,
    note: shorten(note, maxNoteBytes),
    eventTime: toMicroTime(at),
    reportingController: 'stevedore.dev/agent',
    reportingInstance: nodeName.slice(0, maxInstanceLength),
    // As the kubelet writes them: kubectl describe looks for Events with the Node's uid, and for those with its name in that place.
    regarding: { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName },
  };
}

/** Never in the middle of a character. */
function shorten(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes - Buffer.byteLength('…');
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}

export interface LeaseTake {
  readonly name: string;
  readonly namespace: string;
  readonly holder: string;
  readonly durationSeconds: number;
  readonly at: number;
  /** Of the record that is replaced: without it an update is refused, and should be. Undefined: a new Lease. */
  readonly resourceVersion: string | undefined;
  /** Without `stevedore.dev/`. */
  readonly annotations: Readonly<Record<string, string>>;
}

export function toLeaseBody(take: LeaseTake): unknown {
  const { name, namespace, holder, durationSeconds, at, resourceVersion } = take;
  const annotations = Object.entries(take.annotations).map(([key, value]) => [annotationPrefix + key, value] as const);
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace,
      ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime: toMicroTime(at) },
  };
}

/** @param metadata of the version that is replaced */
export function toResolvedBody(
  configMap: { readonly name: string; readonly namespace: string; readonly resourceVersion: string },
  metadata: Fields,
  data: Readonly<Record<string, string>>,
): unknown {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, ...configMap }, data };
}

export function toAccessReview(question: AccessQuestion): unknown {
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: question },
  };
}
