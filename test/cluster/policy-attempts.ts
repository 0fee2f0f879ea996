/**
 * What somebody who holds the agent's token might try on Nodes, and what has to come of it under manifests/base/own-node-policy.yaml
 * with the permissions of the gate. Each is made on a Node as policy-node.ts has it; `dryRun=All` gives the same answers.
 */

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
import { foreignConditions, ownCondition } from './policy-node.ts';
import { refusals } from './policy-refusals.ts';

const allowed: readonly PolicyAttempt[] = [
  ...both.flatMap((resource) => [
    attempt('allowed', 'own label added', resource, merge, labels({ 'image-set.stevedore.dev/new': 'pending' })),
    attempt('allowed', 'own label changed', resource, merge, labels({ 'image-set.stevedore.dev/old': 'pending' })),
    attempt('allowed', 'own label removed', resource, merge, labels({ 'image-set.stevedore.dev/old': null })),
    attempt('ignored', 'nothing', resource, merge, {}),
  ]),
  attempt(
    'allowed',
    'own label by strategic patch',
    'nodes/status',
    strategic,
    labels({ 'image-set.stevedore.dev/a': '1' }),
  ),
  attempt('allowed', 'own label applied', 'nodes', apply, {
    apiVersion: 'v1',
    kind: 'Node',
    ...labels({ 'image-set.stevedore.dev/applied': 'ready' }),
  }),
  attempt('allowed', 'own condition added', 'nodes/status', strategic, conditions(own('True')), { state: 'fresh' }),
  attempt('allowed', 'own condition changed', 'nodes/status', strategic, conditions(own('True'))),
  attempt('allowed', 'own condition, heartbeat only', 'nodes/status', strategic, {
    status: { conditions: [{ type: ownCondition, lastHeartbeatTime: '2026-02-02T00:00:00Z' }] },
  }),
  attempt(
    'allowed',
    'own condition removed',
    'nodes/status',
    strategic,
    conditions({ type: ownCondition, $patch: 'delete' }),
  ),
  attempt('allowed', 'own condition, all listed', 'nodes/status', merge, conditions(...foreignConditions, own('True'))),
  attempt('allowed', 'label and condition', 'nodes/status', strategic, {
    ...labels({ 'image-set.stevedore.dev/new': 'ready' }),
    ...conditions(own('True')),
  }),
  attempt('allowed', 'own taint removed, NoSchedule', 'nodes', json, removeTaint(0, ownFirst)),
  attempt('allowed', 'own taint removed, NoExecute', 'nodes', json, removeTaint(2, ownSecond)),
  attempt('allowed', 'both own taints removed', 'nodes', merge, taints(other, another)),
  attempt('allowed', 'own taint removed, the last one', 'nodes', json, removeTaint(0, ownFirst), { state: 'fresh' }),
  attempt('allowed', 'label and taint', 'nodes', merge, {
    ...labels({ 'image-set.stevedore.dev/new': 'ready' }),
    ...taints(other, ownSecond, another),
  }),
  attempt('ignored', 'status, which this resource does not have', 'nodes', merge, {
    status: { capacity: { cpu: '99' } },
  }),
  attempt('ignored', 'spec, which this resource does not have', 'nodes/status', merge, {
    spec: { unschedulable: true },
  }),
];

export const policyAttempts: readonly PolicyAttempt[] = [...allowed, ...refusals];
