import { describe, expect, test } from 'vitest';
import type { NodeStatusPatch } from '../../../agent/cluster/cluster.ts';
import { expectFailure, soon } from './helpers.ts';
import type { ClusterSubject } from './subject.ts';

const prefix = 'image-set.stevedore.dev/';
const condition = {
  type: 'ImageSetsReady',
  status: 'True',
  reason: 'AllReady',
  message: 'all 2 image sets are here',
  lastHeartbeatAt: 1_750_000_000_000,
  lastTransitionAt: 1_740_000_000_000,
} as const;
const kubelets = { type: 'Ready', status: 'True', reason: 'Kubelet', message: 'fine', lastHeartbeatAt: 1_000_000 };

export function describeWriting(subject: () => ClusterSubject): void {
  describe('writing to the own Node', () => {
    const patch = (change: Partial<NodeStatusPatch>) =>
      subject().cluster.patchNodeStatus({ labels: {}, condition: undefined, ...change }, soon());

    test('labels and the condition are set beside those of others', async () => {
      const { admin } = subject();
      await admin.createNode({ labels: { gpu: 'yes' }, condition: kubelets });
      await patch({ labels: { [`${prefix}a`]: 'pending', [`${prefix}b`]: 'ready' }, condition });
      const node = await admin.node();
      expect(node?.labels).toMatchObject({ gpu: 'yes', [`${prefix}a`]: 'pending', [`${prefix}b`]: 'ready' });
      expect(node?.conditions).toHaveLength(2);
      expect(node?.conditions).toContainEqual(condition);
    });

    test('both are changed and taken back, and those of others stay', async () => {
      const { admin } = subject();
      await admin.createNode({ labels: { gpu: 'yes' }, condition: kubelets });
      await patch({ labels: { [`${prefix}a`]: 'pending', [`${prefix}b`]: 'ready' }, condition });
      await patch({ labels: { [`${prefix}a`]: 'ready' }, condition: { ...condition, status: 'False' } });
      const changed = await admin.node();
      expect(changed?.labels).toMatchObject({ [`${prefix}a`]: 'ready', [`${prefix}b`]: 'ready' });
      expect(changed?.conditions).toContainEqual({ ...condition, status: 'False' });

      await patch({
        labels: { [`${prefix}a`]: null, [`${prefix}b`]: null, [`${prefix}never`]: null },
        condition: { type: condition.type, remove: true },
      });
      const node = await admin.node();
      expect(node?.labels).toHaveProperty('gpu', 'yes');
      expect(Object.keys(node?.labels ?? {}).filter((key) => key.startsWith(prefix))).toEqual([]);
      expect(node?.conditions.map(({ type }) => type)).toEqual(['Ready']);
    });

    test('a condition that is not there can be removed', async () => {
      const { admin } = subject();
      await admin.createNode({ condition: kubelets });
      await patch({ condition: { type: condition.type, remove: true } });
      expect((await admin.node())?.conditions.map(({ type }) => type)).toEqual(['Ready']);
    });

    test('a dry run stores nothing', async () => {
      const { admin, cluster } = subject();
      await admin.createNode();
      await cluster.patchNodeStatus({ labels: { [`${prefix}a`]: 'ready' }, condition }, soon(), { dryRun: true });
      const node = await admin.node();
      expect(node?.labels).not.toHaveProperty(`${prefix}a`);
      expect(node?.conditions).toEqual([]);
    });

    test('a refusal says that it is one, of a dry run too', async () => {
      const { admin, readOnly } = subject();
      await admin.createNode();
      const nothing = { labels: { [`${prefix}a`]: 'ready' }, condition: undefined };
      await expectFailure(readOnly.patchNodeStatus(nothing, soon()), 'auth', 'forbidden');
      await expectFailure(readOnly.patchNodeStatus(nothing, soon(), { dryRun: true }), 'auth', 'forbidden');
    });

    test('without a Node there is nothing to write to', async () => {
      await expectFailure(patch({ labels: { [`${prefix}a`]: 'ready' } }), 'not_found');
      await expectFailure(subject().cluster.removeTaint('startup', soon()), 'not_found');
    });
  });

  describe('removing a taint', () => {
    test.each([
      ['the only one', [{ key: 'startup', effect: 'NoSchedule' }], []],
      [
        'one between others',
        [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'startup', value: 'x', effect: 'NoExecute' },
          { key: 'b', value: '1', effect: 'NoSchedule' },
        ],
        ['a', 'b'],
      ],
      [
        'all of its key',
        [
          { key: 'startup', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
          { key: 'startup', effect: 'PreferNoSchedule' },
        ],
        ['a'],
      ],
    ])('removes %s', async (_case, taints, left) => {
      const { admin, cluster } = subject();
      await admin.createNode({ taints });
      expect(await cluster.removeTaint('startup', soon())).toBe('removed');
      expect((await admin.node())?.taints.map(({ key }) => key)).toEqual(left);
    });

    test('one that is not there is absent', async () => {
      const { admin, cluster } = subject();
      await admin.createNode({ taints: [{ key: 'startup-of-others', effect: 'NoSchedule' }] });
      expect(await cluster.removeTaint('startup', soon())).toBe('absent');
      expect((await admin.node())?.taints).toHaveLength(1);
    });

    test('a refusal says that it is one, and the taint stays', async () => {
      const { admin, readOnly } = subject();
      await admin.createNode({ taints: [{ key: 'startup', effect: 'NoSchedule' }] });
      await expectFailure(readOnly.removeTaint('startup', soon()), 'auth', 'forbidden');
      expect((await admin.node())?.taints).toHaveLength(1);
    });
  });

  describe('telling an Event', () => {
    const event = { type: 'Warning', reason: 'ImageSetFailed', action: 'Pull', note: 'no such image' } as const;

    test('it is on the Node, by its uid or its name', async () => {
      const { admin, cluster, nodeName } = subject();
      await admin.createNode();
      const before = (await admin.events()).length;
      await cluster.createEvent(event, soon());
      await cluster.createEvent({ ...event, type: 'Normal', note: '' }, soon());
      const events = (await admin.events()).slice(before);
      expect(events.map(({ type }) => type).toSorted()).toEqual(['Normal', 'Warning']);
      expect(events).toContainEqual(expect.objectContaining(event));
      for (const { uid } of events) expect([nodeName, (await admin.node())?.uid]).toContain(uid);
    });

    test('a refusal says that it is one', async () => {
      const { admin, readOnly } = subject();
      await admin.createNode();
      await expectFailure(readOnly.createEvent(event, soon()), 'auth', 'forbidden');
    });
  });
}
