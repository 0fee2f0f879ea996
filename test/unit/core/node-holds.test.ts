import { describe, expect, test } from 'vitest';
import { concernsPulls, toHolds } from '../../../agent/core/node-holds.ts';
import { type NodeCondition, type NodeState, type NodeTaint, standaloneNode } from '../../../agent/core/node-state.ts';

const plain = standaloneNode('n1', { gpu: 'yes' });
const settings = { pauseOnDrain: true };

function node(more: Partial<NodeState>): NodeState {
  return { ...plain, ...more };
}

function taint(key: string, value?: string, effect = 'NoSchedule'): NodeState {
  return node({ taints: [{ key, value, effect } satisfies NodeTaint] });
}

function diskPressure(status: string): NodeState {
  const condition: NodeCondition = {
    type: 'DiskPressure',
    status,
    reason: 'KubeletHasDiskPressure',
    message: '',
    lastHeartbeatAt: undefined,
    lastTransitionAt: undefined,
  };
  return node({ conditions: [condition] });
}

const reasons = (state: NodeState, { pauseOnDrain } = settings) => {
  const { pull, prune } = toHolds(state, { pauseOnDrain });
  return [pull?.reason, prune?.reason];
};

describe('what holds a job back', () => {
  test('nothing on an ordinary node', () => {
    expect(reasons(plain)).toEqual([undefined, undefined]);
  });

  test.each([
    ['pull', ['pause', undefined]],
    ['prune', [undefined, 'pause']],
    ['all', ['pause', 'pause']],
    ['', ['pause', 'pause']],
    ['yes', ['pause', 'pause']],
  ])('the annotation stevedore.dev/pause: %j', (value, expected) => {
    expect(reasons(node({ annotations: { 'stevedore.dev/pause': value } }))).toEqual(expected);
  });

  test('an annotation that is none of the three says so', () => {
    const { pull } = toHolds(node({ annotations: { 'stevedore.dev/pause': 'yes' } }), settings);
    expect(pull?.message).toMatch(/stevedore\.dev\/pause.*"yes".*none of pull, prune, all/);
  });

  test.each([
    ['cordoned', node({ unschedulable: true }), 'drain'],
    ['cluster-autoscaler deletes it', taint('ToBeDeletedByClusterAutoscaler', '1700000000'), 'drain'],
    ['Karpenter deletes it', taint('karpenter.sh/disrupted'), 'drain'],
    ['Karpenter before 1.0 deletes it', taint('karpenter.sh/disruption', 'disrupting'), 'drain'],
    ['Karpenter before 1.0 thinks about it', taint('karpenter.sh/disruption', 'candidate'), undefined],
    ['a candidate', taint('DeletionCandidateOfClusterAutoscaler', '1', 'PreferNoSchedule'), undefined],
    ['a soft taint', taint('karpenter.sh/disrupted', undefined, 'PreferNoSchedule'), undefined],
    ['any other taint', taint('nvidia.com/gpu'), undefined],
  ])('a node that is drained pulls nothing and prunes on: %s', (_, state, expected) => {
    expect(reasons(state)).toEqual([expected, undefined]);
    expect(reasons(state, { pauseOnDrain: false })).toEqual([undefined, undefined]);
  });

  test('the taint is named', () => {
    const { pull } = toHolds(taint('karpenter.sh/disruption', 'disrupting'), settings);
    expect(pull?.message).toContain('karpenter.sh/disruption=disrupting:NoSchedule');
  });

  test.each([
    ['True', 'pressure'],
    ['False', undefined],
    ['Unknown', undefined],
  ])('DiskPressure %s holds pulls alone: pruning is what helps', (status, expected) => {
    expect(reasons(diskPressure(status), { pauseOnDrain: false })).toEqual([expected, undefined]);
  });
});

describe('a change of the node', () => {
  test.each([
    ['a label', node({ labels: {} }), true],
    ['the annotation', node({ annotations: { 'stevedore.dev/pause': 'pull' } }), true],
    ['a cordon', node({ unschedulable: true }), true],
    ['disk pressure', diskPressure('True'), true],
    ['our own label', node({ labels: { gpu: 'yes', 'image-set.stevedore.dev/gpu': 'ready' } }), false],
    ['a foreign annotation', node({ annotations: { 'example.com/a': 'b' } }), false],
    ['a foreign taint', taint('nvidia.com/gpu'), false],
    ['a condition that went well', diskPressure('False'), false],
  ])('%s', (_, after, expected) => {
    expect(concernsPulls(plain, after, settings)).toBe(expected);
    expect(concernsPulls(after, plain, settings)).toBe(expected);
  });
});
