/** What the coordinator does through the port, with the tokens of two nodes and the rights of the manifests. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { createClusterAccess } from '../../../agent/cluster/access.ts';
import type { AccessQuestion, Cluster } from '../../../agent/cluster/cluster.ts';
import { readRecord } from '../../../agent/cluster/fields.ts';
import { createCluster } from '../../../agent/cluster/kubernetes.ts';
import { type Permission, permissions } from '../../../agent/cluster/permissions.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { createApiDispatcher } from '../../../agent/registry/api-dispatcher.ts';
import { beginWatching, expectFailure, soon } from '../../contract/cluster/helpers.ts';
import { makeFolder } from '../../harness/folder.ts';
import { merge } from '../api-client.ts';
import type { Stage } from '../stage.ts';
import { eventually, makeNode } from '../stage-node.ts';
import { namespace } from '../test-cluster.ts';

const [shard] = resolvedConfigMaps;
const shardPath = `/api/v1/namespaces/${namespace}/configmaps/${shard}`;
const lease = 'stevedore-test-coordinator';

export function publishingScenarios(stage: () => Stage): void {
  /** The port of an agent on a node of its own. */
  async function makePort(): Promise<{ readonly name: string; readonly port: Cluster }> {
    const { cluster } = stage();
    const { name } = await makeNode(stage());
    const folder = await makeFolder('port');
    const path = join(folder.path, 'kubeconfig');
    await writeFile(path, cluster.kubeconfig({ token: await cluster.issueToken(name) }));
    const access = await createClusterAccess({ kubeconfig: path, connect: createApiDispatcher }, soon());
    const port = createCluster(access, { nodeName: name, namespace, configMap: 'stevedore', log: silentLogger });
    onTestFinished(async () => {
      await port.close();
      await folder.remove();
    });
    return { name, port };
  }

  test('of two agents one has the Lease, and the other sees who and what it says', async () => {
    const [one, two] = [await makePort(), await makePort()];
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${lease}`;
    onTestFinished(async () => void (await stage().cluster.admin.ask('DELETE', path)));
    await expectFailure(two.port.getLease(lease, soon()), 'not_found');
    const held = await one.port.createLease(lease, one.name, 120, soon());
    await expectFailure(two.port.createLease(lease, two.name, 120, soon()), 'other', 'conflict');
    const said = await one.port.updateLease(held, one.name, 120, soon(), { 'resolved-at': '2026-01-01T00:00:00.000Z' });
    const seen = await two.port.getLease(lease, soon());
    expect(seen).toEqual(said);
    expect(seen).toMatchObject({ holder: one.name, annotations: { 'resolved-at': '2026-01-01T00:00:00.000Z' } });
    const taken = await two.port.updateLease(seen, two.name, 120, soon());
    await expectFailure(one.port.updateLease(said, one.name, 120, soon()), 'other', 'conflict');
    expect(await one.port.getLease(lease, soon())).toEqual(taken);
  });

  test('what one publishes comes to the other, beside what others wrote to the object', async () => {
    const { admin } = stage().cluster;
    const [one, two] = [await makePort(), await makePort()];
    onTestFinished(async () => void (await admin.must('PATCH', shardPath, { data: null }, merge)));
    const watching = beginWatching(two.port);
    onTestFinished(() => watching.stop());
    const all = await eventually('all of them', () => watching.resolved.at(-1));
    expect(all.map(({ name }) => name)).toEqual(resolvedConfigMaps);
    const before = (await one.port.readResolved(soon())).find(({ name }) => name === shard);
    if (before === undefined) throw new Error(`no ${shard}`);
    const data = { 'resolved.json': JSON.stringify({ by: one.name }) };
    const updated = await one.port.updateResolved(before, data, soon());
    await eventually('the news', () => watching.resolved.at(-1)?.some((one) => isDeepStrictEqual(one, updated)));
    await expectFailure(two.port.updateResolved(before, {}, soon()), 'other', 'conflict');
    const labels = readRecord((await admin.must('GET', shardPath))['metadata'])['labels'];
    expect(labels).toMatchObject({ 'app.kubernetes.io/name': 'stevedore' });
    expect(await two.port.updateResolved(updated, {}, soon())).toMatchObject({ data: {} });
  });

  test('a coordinator sees every Node, by its labels', async () => {
    const { port } = await makePort();
    const node = await makeNode(stage(), { labels: { 'kubernetes.io/arch': 'arm64' } });
    const found = (await port.listNodes(soon())).find(({ name }) => name === node.name);
    expect(found?.labels).toMatchObject({ 'kubernetes.io/arch': 'arm64' });
  });

  test('an agent hears of each of its rights that it has it, and of others that it has not', async () => {
    const { port } = await makePort();
    const may = async (question: AccessQuestion): Promise<boolean> =>
      (await port.reviewAccess(question, soon())).allowed;
    for (const permission of permissions as readonly Permission[]) {
      const { group, resource, subresource, verbs, scope, names = [undefined] } = permission;
      const place = scope === 'cluster' ? {} : { namespace: scope === 'default' ? 'default' : namespace };
      for (const verb of verbs) {
        for (const name of names) {
          const question = {
            group,
            resource,
            verb,
            ...place,
            ...(subresource && { subresource }),
            ...(name && { name }),
          };
          expect({ question, allowed: await may(question) }).toEqual({ question, allowed: true });
        }
      }
    }
    const mine = { group: '', resource: 'configmaps', namespace };
    for (const question of [
      { ...mine, verb: 'create' },
      { ...mine, verb: 'delete', name: shard },
      { ...mine, verb: 'patch', name: shard },
      { ...mine, verb: 'update' },
      { ...mine, verb: 'update', name: 'stevedore' },
      { ...mine, verb: 'update', namespace: 'default', name: shard },
      { group: '', resource: 'secrets', verb: 'list', namespace },
      { group: '', resource: 'nodes', verb: 'delete' },
    ]) {
      expect({ question, allowed: await may(question) }).toEqual({ question, allowed: false });
    }
  });
}
