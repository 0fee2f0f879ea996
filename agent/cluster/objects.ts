/** Kubernetes objects as the port has them. */

import { isDeepStrictEqual } from 'node:util';
import type { NodeCondition, NodeState, NodeTaint } from '../core/node-state.ts';
import type { ClusterNode, ConfigMapObject, LeaseRecord, ResolvedConfigMap } from './cluster.ts';
import { readList, readNumber, readRecord, readString, readStrings, readTime } from './fields.ts';

export function toName(object: unknown): string {
  return readString(readRecord(readRecord(object)['metadata'])['name']) ?? '';
}

export function toResourceVersion(object: unknown): string | undefined {
  return readString(readRecord(readRecord(object)['metadata'])['resourceVersion']) || undefined;
}

export function toNodeState(object: unknown): NodeState {
  const { metadata, spec, status } = readRecord(object);
  const { name, uid, labels, annotations } = readRecord(metadata);
  const { taints, unschedulable } = readRecord(spec);
  const { conditions, nodeInfo } = readRecord(status);
  return {
    name: readString(name) ?? '',
    uid: readString(uid) ?? '',
    labels: readStrings(labels),
    annotations: readStrings(annotations),
    taints: readList(taints).map(toTaint),
    unschedulable: unschedulable === true,
    conditions: readList(conditions).map(toCondition),
    containerRuntimeVersion: readString(readRecord(nodeInfo)['containerRuntimeVersion']) || undefined,
  };
}

function toTaint(taint: unknown): NodeTaint {
  const { key, value, effect } = readRecord(taint);
  return { key: readString(key) ?? '', value: readString(value), effect: readString(effect) ?? '' };
}

function toCondition(condition: unknown): NodeCondition {
  const { type, status, reason, message, lastHeartbeatTime, lastTransitionTime } = readRecord(condition);
  return {
    type: readString(type) ?? '',
    status: readString(status) ?? '',
    reason: readString(reason) ?? '',
    message: readString(message) ?? '',
    lastHeartbeatAt: readTime(lastHeartbeatTime),
    lastTransitionAt: readTime(lastTransitionTime),
  };
}

/** The kubelet's heartbeats change nothing that anybody decides by. */
export function isSameNode(one: NodeState | undefined, other: NodeState | undefined, ownCondition: string): boolean {
  const withoutHeartbeats = (node: NodeState | undefined) => ({
    ...node,
    conditions: node?.conditions.map((condition) =>
      condition.type === ownCondition ? condition : { ...condition, lastHeartbeatAt: undefined },
    ),
  });
  return isDeepStrictEqual(withoutHeartbeats(one), withoutHeartbeats(other));
}

/** @param key of the value that is the configuration */
export function toConfigMap(object: unknown, key: string): ConfigMapObject {
  const { metadata, data } = readRecord(object);
  const { name, uid, creationTimestamp, labels } = readRecord(metadata);
  return {
    name: readString(name) ?? '',
    uid: readString(uid) ?? '',
    createdAt: readTime(creationTimestamp) ?? 0,
    labels: readStrings(labels),
    text: readString(readRecord(data)[key]),
  };
}

export function toResolved(object: unknown): ResolvedConfigMap {
  return {
    name: toName(object),
    resourceVersion: toResourceVersion(object) ?? '',
    data: readStrings(readRecord(object)['data']),
  };
}

export function toClusterNode(object: unknown): ClusterNode {
  return { name: toName(object), labels: readStrings(readRecord(readRecord(object)['metadata'])['labels']) };
}

/** Of the annotations that are the agents' own. */
export const annotationPrefix = 'stevedore.dev/';

export function toLease(object: unknown): LeaseRecord {
  const { metadata, spec } = readRecord(object);
  const { holderIdentity, leaseDurationSeconds, renewTime } = readRecord(spec);
  const annotations = Object.entries(readStrings(readRecord(metadata)['annotations']));
  return {
    name: toName(object),
    resourceVersion: toResourceVersion(object) ?? '',
    holder: readString(holderIdentity) ?? '',
    durationSeconds: readNumber(leaseDurationSeconds) ?? 0,
    renewedAt: readTime(renewTime),
    annotations: Object.fromEntries(
      annotations
        .filter(([key]) => key.startsWith(annotationPrefix))
        .map(([key, value]) => [key.slice(annotationPrefix.length), value]),
    ),
  };
}

/** Exactly six decimals: what a MicroTime must have, and no less. */
export function toMicroTime(at: number): string {
  return new Date(at).toISOString().replace(/Z$/, '000Z');
}
