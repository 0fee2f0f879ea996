/** The attempts of policy-attempts.ts that have to be refused. */

import {
  apply,
  attempt,
  both,
  conditions,
  json,
  labels,
  merge,
  own,
  removeTaint,
  strategic,
  taints,
  ownFirst,
  other,
  ownSecond,
  another,
  type PolicyAttempt,
} from './policy-attempt.ts';
import { absentNode, foreignConditions, ownTaint, seasonedTaints, toCondition } from './policy-node.ts';

const elsewhere: readonly PolicyAttempt[] = [{ node: 'other' } as const, { token: 'unbound' } as const].flatMap(
  (where) => {
    const who = 'node' in where ? 'another node: ' : 'token without a node: ';
    return [
      ...both.map((resource) =>
        attempt('policy', `${who}own label`, resource, merge, labels({ 'image-set.stevedore.dev/a': '1' }), where),
      ),
      ...both.map((resource) => attempt('policy', `${who}nothing`, resource, merge, {}, where)),
      attempt('policy', `${who}own condition`, 'nodes/status', strategic, conditions(own('True')), where),
      attempt('policy', `${who}own taint removed`, 'nodes', json, removeTaint(0, ownFirst), where),
    ];
  },
);

const foreignMetadata: readonly PolicyAttempt[] = both.flatMap((resource) => [
  attempt('policy', 'foreign label added', resource, merge, labels({ 'example.com/new': '1' })),
  attempt('policy', 'foreign label changed', resource, merge, labels({ 'example.com/pool': 'cpu' })),
  attempt('policy', 'foreign label removed', resource, merge, labels({ 'example.com/pool': null })),
  attempt(
    'policy',
    'own and foreign label',
    resource,
    merge,
    labels({ 'image-set.stevedore.dev/a': '1', 'example.com/b': '1' }),
  ),
  attempt('policy', 'all labels replaced', resource, json, [{ op: 'replace', path: '/metadata/labels', value: {} }]),
  attempt('policy', 'annotation added', resource, merge, { metadata: { annotations: { 'example.com/new': '1' } } }),
  attempt('policy', 'annotation removed', resource, merge, { metadata: { annotations: null } }),
  attempt('policy', 'finalizer', resource, merge, { metadata: { finalizers: ['example.com/f'] } }),
  attempt('policy', 'owner', resource, merge, {
    metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'x', uid: 'x' }] },
  }),
]);

const lookAlikes: readonly PolicyAttempt[] = [
  'image-set.stevedore.dev.example.com/a',
  'image-set.stevedore.develop/a',
  'x.image-set.stevedore.dev/a',
  'image-set.stevedore.dev',
  'stevedore.dev/a',
].map((key) => attempt('policy', `label ${key}`, 'nodes', merge, labels({ [key]: '1' })));

const spec: readonly PolicyAttempt[] = [
  attempt('policy', 'unschedulable', 'nodes', merge, { spec: { unschedulable: true } }),
  attempt('policy', 'provider id', 'nodes', merge, { spec: { providerID: 'example://7' } }),
  attempt('policy', 'pod addresses', 'nodes', merge, { spec: { podCIDR: '10.9.0.0/24', podCIDRs: ['10.9.0.0/24'] } }),
  attempt('policy', 'other taint removed', 'nodes', json, removeTaint(1, other)),
  attempt(
    'policy',
    'other taint changed',
    'nodes',
    merge,
    taints(ownFirst, { ...other, value: 'y' }, ownSecond, another),
  ),
  attempt(
    'policy',
    'other taint added',
    'nodes',
    merge,
    taints(...seasonedTaints, { key: 'example.com/n', effect: 'NoSchedule' }),
  ),
  attempt(
    'policy',
    'own taint added',
    'nodes',
    merge,
    taints(...seasonedTaints, { key: ownTaint, effect: 'PreferNoSchedule' }),
  ),
  attempt(
    'policy',
    'own taint changed',
    'nodes',
    merge,
    taints({ ...ownFirst, value: 'y' }, other, ownSecond, another),
  ),
  attempt(
    'policy',
    'own taint for another',
    'nodes',
    merge,
    taints({ key: 'example.com/n', effect: 'NoSchedule' }, other, ownSecond, another),
  ),
  attempt('policy', 'taints in another order', 'nodes', merge, taints(other, ownFirst, ownSecond, another)),
  attempt('policy', 'own and other taint removed', 'nodes', merge, taints(ownSecond, another)),
  attempt('policy', 'all taints removed', 'nodes', merge, { spec: { taints: null } }),
];

const [memory, ready] = foreignConditions;

const status: readonly PolicyAttempt[] = [
  attempt(
    'policy',
    'foreign condition added',
    'nodes/status',
    strategic,
    conditions(toCondition('Fine', 'True', 'Yes')),
  ),
  attempt(
    'policy',
    'foreign condition changed',
    'nodes/status',
    strategic,
    conditions(toCondition('Ready', 'False', 'No')),
  ),
  attempt(
    'policy',
    'foreign condition removed',
    'nodes/status',
    strategic,
    conditions({ type: 'Ready', $patch: 'delete' }),
  ),
  attempt('policy', 'foreign condition, heartbeat only', 'nodes/status', strategic, {
    status: { conditions: [{ type: 'Ready', lastHeartbeatTime: '2026-02-02T00:00:00Z' }] },
  }),
  attempt('policy', 'foreign condition doubled', 'nodes/status', merge, conditions(memory, ready, ready, own('True'))),
  attempt(
    'policy',
    'own condition doubled',
    'nodes/status',
    merge,
    conditions(memory, ready, own('True'), own('False')),
  ),
  attempt('policy', 'own condition alone', 'nodes/status', merge, conditions(own('True'))),
  attempt(
    'policy',
    'own and foreign condition',
    'nodes/status',
    strategic,
    conditions(own('True'), toCondition('Ready', 'False', 'No')),
  ),
  ...Object.entries({
    capacity: { capacity: { cpu: '99' } },
    'extended resource': { capacity: { 'example.com/gpu': '8' } },
    allocatable: { allocatable: { cpu: '2' } },
    addresses: { addresses: [{ type: 'InternalIP', address: '192.0.2.8' }] },
    images: { images: [{ names: ['harbor.example.com/ml/evil:1'], sizeBytes: 1 }] },
    'node info': { nodeInfo: { kubeletVersion: 'v9.9.9' } },
    'daemon endpoints': { daemonEndpoints: { kubeletEndpoint: { Port: 1 } } },
    'attached volumes': { volumesAttached: [{ name: 'v', devicePath: '/dev/x' }] },
  }).map(([name, change]) => attempt('policy', name, 'nodes/status', merge, { status: change })),
];

const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });

const otherVerbs: readonly PolicyAttempt[] = [
  ...both.map((resource) => ({
    ...attempt('permission', 'PUT', resource, merge, node('own')),
    method: 'PUT' as const,
    contentType: 'application/json' as const,
  })),
  { ...attempt('permission', 'DELETE', 'nodes', merge, undefined), method: 'DELETE' },
  {
    ...attempt('permission', 'POST', 'nodes', merge, node(absentNode), { node: 'absent' }),
    method: 'POST',
    contentType: 'application/json',
  },
  attempt('permission', 'applied where there is none', 'nodes', apply, node(absentNode), { node: 'absent' }),
  attempt('policy', 'foreign label applied', 'nodes', apply, {
    apiVersion: 'v1',
    kind: 'Node',
    ...labels({ 'example.com/applied': '1' }),
  }),
];

export const refusals: readonly PolicyAttempt[] = [
  ...elsewhere,
  ...foreignMetadata,
  ...lookAlikes,
  ...spec,
  ...status,
  ...otherVerbs,
];
