import { describe, expect, test } from 'vitest';
import { expectFailure, soon } from './helpers.ts';
import type { ClusterSubject } from './subject.ts';

export function describeReading(subject: () => ClusterSubject): void {
  describe('reading once', () => {
    test('gives the Node as far as the agent decides by it', async () => {
      const { admin, cluster, nodeName } = subject();
      const heartbeat = 1_750_000_000_000;
      await admin.createNode({
        labels: { gpu: 'yes' },
        annotations: { 'stevedore.dev/pause': 'pull' },
        taints: [
          { key: 'a', value: 'b', effect: 'NoSchedule' },
          { key: 'c', effect: 'PreferNoSchedule' },
        ],
        unschedulable: true,
        condition: { type: 'Ready', status: 'True', reason: 'Fine', message: 'all well', lastHeartbeatAt: heartbeat },
      });
      const { node } = await cluster.read(soon());
      expect(node).toMatchObject({
        name: nodeName,
        labels: { gpu: 'yes' },
        annotations: { 'stevedore.dev/pause': 'pull' },
        unschedulable: true,
        containerRuntimeVersion: undefined,
      });
      expect(node.uid).not.toBe('');
      expect(node.taints).toContainEqual({ key: 'a', value: 'b', effect: 'NoSchedule' });
      expect(node.taints).toContainEqual({ key: 'c', value: undefined, effect: 'PreferNoSchedule' });
      expect(node.conditions).toContainEqual({
        type: 'Ready',
        status: 'True',
        reason: 'Fine',
        message: 'all well',
        lastHeartbeatAt: heartbeat,
        lastTransitionAt: undefined,
      });
    });

    test('gives its own ConfigMap and those with the label of teams, by name', async () => {
      const { admin, cluster, configMap } = subject();
      await admin.createNode();
      await admin.putConfigMap('other', { 'config.yaml': 'other' });
      await admin.putConfigMap('team-b', { 'config.yaml': 'b' }, { 'stevedore.dev/image-sets': 'true', team: 'b' });
      await admin.putConfigMap('team-c', { 'config.yaml': 'c' }, { 'stevedore.dev/image-sets': 'false' });
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      const { configMaps } = await cluster.read(soon());
      expect(configMaps.map(({ name, text, labels }) => ({ name, text, labels }))).toEqual([
        { name: configMap, text: 'main', labels: {} },
        { name: 'team-b', text: 'b', labels: { 'stevedore.dev/image-sets': 'true', team: 'b' } },
      ]);
      for (const { uid, createdAt } of configMaps) {
        expect(uid).not.toBe('');
        expect(Math.abs(Date.now() - createdAt)).toBeLessThan(600_000);
      }
      for (const name of ['other', 'team-b', 'team-c', configMap]) await admin.deleteConfigMap(name);
    });

    test('says that there is no such Node', async () => {
      await expectFailure(subject().cluster.read(soon()), 'not_found');
    });

    test('ends at once when it is aborted', async () => {
      const reason = new Error('enough');
      await expect(subject().cluster.read(AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });
}
