import { afterEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { beginWatching, soon, startWatching, until, type Watching } from './helpers.ts';
import type { ClusterSubject } from './subject.ts';

export function describeWatching(subject: () => ClusterSubject): void {
  describe('watching', () => {
    const open: Watching[] = [];
    const watch = async (cluster: Cluster): Promise<Watching> => {
      const watching = await startWatching(cluster);
      open.push(watching);
      return watching;
    };

    afterEach(async () => {
      const { admin, configMap } = subject();
      for (const watching of open.splice(0)) await watching.stop();
      for (const name of [configMap, 'team-a', 'team-b']) await admin.deleteConfigMap(name);
    });

    test('tells the Node and the ConfigMaps as they are, and that it lives', async () => {
      const { admin, cluster, configMap } = subject();
      await admin.createNode({ labels: { gpu: 'yes' } });
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      const watching = await watch(cluster);
      expect(watching.node).toMatchObject({ labels: { gpu: 'yes' } });
      expect(watching.texts).toEqual({ [configMap]: 'main' });
      expect(watching.contacts).toEqual([{ live: true, problem: undefined }]);
    });

    test('tells that there is neither, and each when it comes', async () => {
      const { admin, cluster, configMap } = subject();
      const watching = await watch(cluster);
      expect(watching.nodes).toEqual([undefined]);
      expect(watching.configMaps).toEqual([[]]);
      await admin.createNode({ labels: { late: 'yes' } });
      await admin.putConfigMap(configMap, { 'config.yaml': 'late' });
      await until(() => {
        expect(watching.node?.labels).toMatchObject({ late: 'yes' });
        expect(watching.texts).toEqual({ [configMap]: 'late' });
      });
    });

    test('tells changes of labels, annotations, taints, conditions and of being cordoned', async () => {
      const { admin, cluster } = subject();
      await admin.createNode({ labels: { gpu: 'yes', old: 'x' } });
      const watching = await watch(cluster);
      await admin.changeNode({ labels: { gpu: 'no', old: null } });
      await until(() => {
        expect(watching.node?.labels).toMatchObject({ gpu: 'no' });
        expect(watching.node?.labels).not.toHaveProperty('old');
      });
      await admin.changeNode({ annotations: { 'stevedore.dev/pause': 'all' } });
      await until(() => expect(watching.node?.annotations).toMatchObject({ 'stevedore.dev/pause': 'all' }));
      await admin.changeNode({ taints: [{ key: 'startup', effect: 'NoSchedule' }] });
      await until(() => expect(watching.node?.taints).toMatchObject([{ key: 'startup', effect: 'NoSchedule' }]));
      await admin.changeNode({ unschedulable: true });
      await until(() => expect(watching.node?.unschedulable).toBe(true));
      await admin.changeNode({ condition: toPressure('True', 1_000_000) });
      await until(() => expect(watching.node?.conditions).toMatchObject([{ type: 'DiskPressure', status: 'True' }]));
    });

    test('says nothing of heartbeats, but does of our own', async () => {
      const { admin, cluster } = subject();
      await admin.createNode({ condition: toPressure('False', 1_000_000) });
      const watching = await watch(cluster);
      const before = watching.nodes.length;
      await admin.changeNode({ condition: toPressure('False', 2_000_000) });
      await admin.changeNode({ condition: toPressure('False', 3_000_000) });
      const own = { type: 'ImageSetsReady', status: 'True', reason: 'Ready', message: '' };
      await admin.changeNode({ condition: { ...own, lastHeartbeatAt: 1_000_000 } });
      await admin.changeNode({ condition: { ...own, lastHeartbeatAt: 2_000_000 } });
      const heartbeat = () => watching.node?.conditions.find(({ type }) => type === own.type)?.lastHeartbeatAt;
      await until(() => expect(heartbeat()).toBe(2_000_000));
      expect(watching.nodes.length).toBe(before + 2);
    });

    test('tells that the Node was deleted, and the one that was made again, by its uid', async () => {
      const { admin, cluster } = subject();
      await admin.createNode({ labels: { gpu: 'yes' } });
      const watching = await watch(cluster);
      const { uid } = watching.node ?? {};
      await admin.deleteNode();
      await until(() => expect(watching.nodes.at(-1)).toBeUndefined());
      await admin.createNode({ labels: { gpu: 'new' } });
      await until(() => expect(watching.node?.labels).toMatchObject({ gpu: 'new' }));
      expect(watching.node?.uid).not.toBe(uid);
    });

    test('tells every ConfigMap of ours whole: created, edited, without its key, deleted', async () => {
      const { admin, cluster, configMap } = subject();
      const watching = await watch(cluster);
      await admin.putConfigMap(configMap, { 'config.yaml': 'one' });
      await until(() => expect(watching.texts).toEqual({ [configMap]: 'one' }));
      await admin.putConfigMap(configMap, { 'config.yaml': 'two' });
      await until(() => expect(watching.texts).toEqual({ [configMap]: 'two' }));
      await admin.putConfigMap(configMap, { 'another.yaml': 'three' });
      await until(() => expect(watching.texts).toEqual({ [configMap]: undefined }));
      expect(watching.configMaps.at(-1)).toHaveLength(1);
      await admin.deleteConfigMap(configMap);
      await until(() => expect(watching.configMaps.at(-1)).toEqual([]));
    });

    test("a team's ConfigMap comes and goes with its label, and others do not come at all", async () => {
      const { admin, cluster, configMap } = subject();
      const watching = await watch(cluster);
      await admin.putConfigMap('team-a', { 'config.yaml': 'a' });
      await admin.putConfigMap('team-b', { 'config.yaml': 'b' }, { 'stevedore.dev/image-sets': 'true' });
      await until(() => expect(watching.texts).toEqual({ 'team-b': 'b' }));
      await admin.putConfigMap('team-a', { 'config.yaml': 'a' }, { 'stevedore.dev/image-sets': 'true' });
      await until(() => expect(watching.texts).toEqual({ 'team-a': 'a', 'team-b': 'b' }));
      await admin.putConfigMap('team-b', { 'config.yaml': 'b' }, {});
      await until(() => expect(watching.texts).toEqual({ 'team-a': 'a' }));
      await admin.putConfigMap('team-b', { 'config.yaml': 'b2' });
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      await until(() => expect(watching.texts).toEqual({ [configMap]: 'main', 'team-a': 'a' }));
    });

    test('hears what it wrote itself', async () => {
      const { admin, cluster } = subject();
      await admin.createNode();
      const watching = await watch(cluster);
      await cluster.patchNodeStatus({ labels: { 'image-set.stevedore.dev/a': 'ready' }, condition: undefined }, soon());
      await until(() => expect(watching.node?.labels).toMatchObject({ 'image-set.stevedore.dev/a': 'ready' }));
    });

    test('ends when it is told to, and says nothing afterwards', async () => {
      const { admin, cluster } = subject();
      await admin.createNode();
      const watching = await watch(cluster);
      const other = await watch(cluster);
      await watching.stop();
      const told = watching.nodes.length;
      await admin.changeNode({ labels: { gpu: 'changed' } });
      await until(() => expect(other.node?.labels).toMatchObject({ gpu: 'changed' }));
      expect(watching.nodes.length).toBe(told);
    });

    test('what a handler throws ends it, and is not swallowed', async () => {
      const { admin, cluster } = subject();
      await admin.createNode();
      const bug = new Error('a bug of ours');
      let isArmed = false;
      const watching = beginWatching(cluster, {
        onNode: () => {
          if (isArmed) throw bug;
        },
      });
      await until(() => expect(watching.contacts.at(-1)).toMatchObject({ live: true }));
      isArmed = true;
      await admin.changeNode({ labels: { gpu: 'changed' } });
      // Until it has ended by itself, stopping it would end it without an error.
      await until(() => expect(watching.ended).toBe(true));
      await expect(watching.stop()).rejects.toBe(bug);
    });
  });
}

function toPressure(status: string, lastHeartbeatAt: number) {
  return { type: 'DiskPressure', status, reason: 'Kubelet', message: 'of the kubelet', lastHeartbeatAt };
}
