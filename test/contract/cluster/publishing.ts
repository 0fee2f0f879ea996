import { afterEach, describe, expect, test } from 'vitest';
import type { Cluster, ResolvedConfigMap } from '../../../agent/cluster/cluster.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { expectFailure, soon, startWatching, until, type Watching } from './helpers.ts';
import type { ClusterSubject } from './subject.ts';

const [first, second] = resolvedConfigMaps;
const teamLabel = { 'stevedore.dev/image-sets': 'true' };

export function describePublishing(subject: () => ClusterSubject): void {
  describe('what the coordinator publishes', () => {
    const open: Watching[] = [];
    const watch = async (cluster: Cluster): Promise<Watching> => {
      const watching = await startWatching(cluster);
      open.push(watching);
      return watching;
    };
    const find = async (name: string): Promise<ResolvedConfigMap> => {
      const found = (await subject().cluster.readResolved(soon())).find((one) => one.name === name);
      if (found === undefined) throw new Error(`no ${name}`);
      return found;
    };

    afterEach(async () => {
      const { admin, configMap } = subject();
      for (const watching of open.splice(0)) await watching.stop();
      for (const name of [...resolvedConfigMaps, 'stevedore-resolved-8', configMap]) await admin.deleteConfigMap(name);
    });

    test('is read whole, by name, and nothing else', async () => {
      const { admin, cluster, configMap } = subject();
      expect(await cluster.readResolved(soon())).toEqual([]);
      await admin.putConfigMap(second, { 'resolved.json': '{}', other: 'x' });
      await admin.putConfigMap(first, {});
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      await admin.putConfigMap('stevedore-resolved-8', { 'resolved.json': '{}' });
      const read = await cluster.readResolved(soon());
      expect(read.map(({ name, data }) => ({ name, data }))).toEqual([
        { name: first, data: {} },
        { name: second, data: { 'resolved.json': '{}', other: 'x' } },
      ]);
      for (const { resourceVersion } of read) expect(resourceVersion).not.toBe('');
    });

    test('is replaced, and told to those who watch, whole and in the order of the names', async () => {
      const { admin, cluster } = subject();
      await admin.putConfigMap(first, { old: 'x', 'resolved.json': 'one' });
      await admin.putConfigMap(second, {});
      const watching = await watch(cluster);
      expect(watching.resolved.at(-1)).toEqual(await cluster.readResolved(soon()));
      const updated = await cluster.updateResolved(await find(first), { 'resolved.json': 'two' }, soon());
      expect(updated).toMatchObject({ name: first, data: { 'resolved.json': 'two' } });
      await until(() => expect(watching.resolved.at(-1)).toEqual([updated, expect.objectContaining({ name: second })]));
      const again = await cluster.updateResolved(updated, { 'resolved.json': 'three' }, soon());
      await until(() => expect(watching.resolved.at(-1)?.[0]).toEqual(again));
      await admin.deleteConfigMap(second);
      await until(() => expect(watching.resolved.at(-1)).toEqual([again]));
      expect(watching.configMaps).toEqual([[]]);
    });

    test('is told only when it changes, and an update to the same changes nothing', async () => {
      const { admin, cluster, configMap } = subject();
      await admin.putConfigMap(first, { 'resolved.json': 'one' });
      const watching = await watch(cluster);
      const told = watching.resolved.length;
      const before = await find(first);
      expect(await cluster.updateResolved(before, { 'resolved.json': 'one' }, soon())).toEqual(before);
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      await until(() => expect(watching.texts).toEqual({ [configMap]: 'main' }));
      expect(watching.resolved).toHaveLength(told);
    });

    test('whoever read it before another changed it loses', async () => {
      const { admin, cluster } = subject();
      await admin.putConfigMap(first, {});
      const before = await find(first);
      const winner = await cluster.updateResolved(before, { 'resolved.json': 'winner' }, soon());
      await expectFailure(cluster.updateResolved(before, { 'resolved.json': 'loser' }, soon()), 'other', 'conflict');
      expect(await find(first)).toEqual(winner);
    });

    test('is never made: one that is not there, or not one of them, is not found', async () => {
      const { admin, cluster, configMap } = subject();
      await admin.putConfigMap(first, {});
      await admin.putConfigMap(configMap, { 'config.yaml': 'main' });
      const gone = await find(first);
      await admin.deleteConfigMap(first);
      for (const name of [first, second, configMap, 'stevedore-resolved-8']) {
        await expectFailure(cluster.updateResolved({ ...gone, name }, { 'resolved.json': 'x' }, soon()), 'not_found');
      }
      expect(await cluster.readResolved(soon())).toEqual([]);
    });

    test('a label makes no image sets of it', async () => {
      const { admin, cluster } = subject();
      await admin.createNode();
      await admin.putConfigMap(first, { 'config.yaml': 'imageSets: []' }, teamLabel);
      const watching = await watch(cluster);
      await admin.putConfigMap(second, { 'config.yaml': 'imageSets: []' }, teamLabel);
      await until(() => expect(watching.resolved.at(-1)).toHaveLength(2));
      expect(watching.configMaps).toEqual([[]]);
      expect((await cluster.read(soon())).configMaps).toEqual([]);
    });

    test('as much as they hold comes whole', async () => {
      const { admin, cluster } = subject();
      const data = { 'resolved.json': '"x":\\,'.repeat(150 * 1024) };
      for (const name of resolvedConfigMaps) await admin.putConfigMap(name, {});
      for (const one of await cluster.readResolved(soon())) await cluster.updateResolved(one, data, soon());
      const read = await cluster.readResolved(soon());
      expect(read.map(({ name }) => name)).toEqual(resolvedConfigMaps);
      expect(read.every((one) => one.data['resolved.json'] === data['resolved.json'])).toBe(true);
      const watching = await watch(cluster);
      expect(watching.resolved.at(-1)).toHaveLength(resolvedConfigMaps.length);
    });

    test('a refusal says that it is one', async () => {
      const { admin, readOnly } = subject();
      await admin.putConfigMap(first, {});
      const [found] = await readOnly.readResolved(soon());
      if (found === undefined) throw new Error('not read');
      await expectFailure(readOnly.updateResolved(found, { 'resolved.json': 'x' }, soon()), 'auth', 'forbidden');
    });
  });

  test('all Nodes with their labels', async () => {
    const { admin, cluster, nodeName } = subject();
    expect((await cluster.listNodes(soon())).map(({ name }) => name)).not.toContain(nodeName);
    await admin.createNode({ labels: { gpu: 'yes', 'kubernetes.io/arch': 'arm64' } });
    const own = (await cluster.listNodes(soon())).filter(({ name }) => name === nodeName);
    expect(own).toEqual([{ name: nodeName, labels: { gpu: 'yes', 'kubernetes.io/arch': 'arm64' } }]);
  });

  test('what the agent may do', async () => {
    const { cluster, readOnly, namespace } = subject();
    const mine = { group: '', resource: 'configmaps', namespace };
    const update = { ...mine, verb: 'update', name: first };
    const may = async (who: Cluster, question: Parameters<Cluster['reviewAccess']>[0]): Promise<boolean> =>
      (await who.reviewAccess(question, soon())).allowed;
    expect(await may(cluster, { ...mine, verb: 'list' })).toBe(true);
    expect(await may(cluster, update)).toBe(true);
    expect(await may(cluster, { ...update, name: 'stevedore' })).toBe(false);
    expect(await may(cluster, { ...mine, verb: 'create' })).toBe(false);
    expect(await may(cluster, { group: '', resource: 'nodes', subresource: 'status', verb: 'patch' })).toBe(true);
    expect(await may(cluster, { group: '', resource: 'secrets', verb: 'get', namespace })).toBe(false);
    expect(await may(readOnly, { ...mine, verb: 'list' })).toBe(true);
    expect(await may(readOnly, update)).toBe(false);
  });
}
