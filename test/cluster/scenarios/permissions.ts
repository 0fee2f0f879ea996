/** What the agent's token is good for, and what the agent does without the policy or without its rights. */

import { expect, onTestFinished, test } from 'vitest';
import { readList, readRecord, readString } from '../../../agent/cluster/fields.ts';
import { isResolvedConfigMap, resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { type ApiClient, createApiClient, merge, type Method } from '../api-client.ts';
import type { Stage } from '../stage.ts';
import { makeNode, untilHeld, untilMetric, untilSaid } from '../stage-node.ts';
import { namespace, policyName } from '../test-cluster.ts';

const label = (key: string, value = '1') => ({ metadata: { labels: { [key]: value } } });
const own = 'image-set.stevedore.dev/tried';

const configMapsPath = `/api/v1/namespaces/${namespace}/configmaps`;
const configMap = (name: string, data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

/** What RBAC refuses. */
const refused: readonly (readonly [Method, string, unknown?])[] = [
  ['GET', `/api/v1/namespaces/${namespace}/secrets`],
  ['GET', `/api/v1/namespaces/${namespace}/secrets/stevedore-registry`],
  ['GET', '/api/v1/secrets'],
  ['GET', `/api/v1/namespaces/${namespace}/pods`],
  ['GET', '/api/v1/pods'],
  ['GET', '/api/v1/configmaps'],
  ['GET', '/api/v1/namespaces/default/configmaps'],
  ['GET', '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'],
  ['GET', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'],
  ['GET', '/apis/events.k8s.io/v1/namespaces/default/events'],
  ['PATCH', `${configMapsPath}/stevedore`, { data: { 'config.yaml': '' } }],
  ['PUT', `${configMapsPath}/stevedore`, configMap('stevedore', { 'config.yaml': '' })],
  ['DELETE', `${configMapsPath}/stevedore`],
  ['POST', configMapsPath, configMap('stevedore-test', {})],
  ['POST', configMapsPath, configMap('stevedore-resolved-0', {})],
  ['PUT', `${configMapsPath}/stevedore-resolved-8`, configMap('stevedore-resolved-8', {})],
  ['PUT', '/api/v1/namespaces/default/configmaps/stevedore-resolved-0', configMap('stevedore-resolved-0', {})],
  ['GET', `${configMapsPath}/stevedore-resolved-0`],
  ['PATCH', `${configMapsPath}/stevedore-resolved-0`, { data: {} }],
  ['DELETE', `${configMapsPath}/stevedore-resolved-0`],
  ['DELETE', configMapsPath],
  ['DELETE', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/stevedore-pull-0`],
  ['POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'stevedore-test' } }],
  ['POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'stevedore-test-new' } }],
];

export function permissionScenarios(stage: () => Stage): void {
  async function clientOf(node: string | undefined): Promise<ApiClient> {
    const { cluster } = stage();
    const client = createApiClient(cluster.endpoint, await cluster.issueToken(node));
    onTestFinished(() => client.close());
    return client;
  }

  test('no Secrets, no Pods, no ConfigMaps or Leases elsewhere, and nothing to be deleted', async () => {
    const node = await makeNode(stage());
    const { ask, must } = await clientOf(node.name);
    for (const [method, path, body] of refused) {
      const answer = await ask(method, path, body, method === 'PATCH' ? merge : 'application/json');
      expect({ method, path, status: answer.status }).toEqual({ method, path, status: 403 });
      expect(readString(answer.body['message'])).toMatch(/cannot \w+ (?:resource|path)/);
    }
    expect((await ask('DELETE', `/api/v1/nodes/${node.name}`)).status).toBe(403);
    await must('GET', '/api/v1/nodes');
    await must('GET', `/api/v1/namespaces/${namespace}/configmaps`);
    await must('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`);
  });

  test('of ConfigMaps the eight of the coordinator may be updated, and none of them made', async () => {
    const { cluster } = stage();
    const node = await makeNode(stage());
    const { ask, must } = await clientOf(node.name);
    const { items } = await must('GET', configMapsPath);
    const published = readList(items)
      .map((item) => readRecord(readRecord(item)['metadata']))
      .filter(({ name }) => isResolvedConfigMap(readString(name) ?? ''));
    expect(published.map(({ name }) => name).toSorted()).toEqual(resolvedConfigMaps);
    for (const metadata of published) {
      const path = `${configMapsPath}/${readString(metadata['name'])}`;
      const updated = await must('PUT', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { probe: 'x' } });
      expect(updated['data']).toEqual({ probe: 'x' });
      const stale = await ask('PUT', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { probe: 'y' } });
      expect(stale.status).toBe(409);
      await cluster.admin.must('PATCH', path, { data: null }, merge);
    }
    const [last] = resolvedConfigMaps.slice(-1);
    await cluster.admin.must('DELETE', `${configMapsPath}/${last}`);
    const again = await ask('PUT', `${configMapsPath}/${last}`, configMap(last ?? '', {}));
    await cluster.admin.must('POST', configMapsPath, configMap(last ?? '', {}));
    expect(again.status).toBe(404);
  });

  test('the policy refuses another node, a foreign label, and a token that names no node', async () => {
    const [node, other] = [await makeNode(stage()), await makeNode(stage())];
    const [bound, unbound] = [await clientOf(node.name), await clientOf(undefined)];
    const attempts = [
      [bound, other.name, own],
      [bound, node.name, 'example.com/pool'],
      [unbound, node.name, own],
    ] as const;
    for (const [{ ask }, name, key] of attempts) {
      for (const path of [`/api/v1/nodes/${name}`, `/api/v1/nodes/${name}/status`]) {
        const { status, body } = await ask('PATCH', path, label(key), merge);
        expect({ path, key, status }).toEqual({ path, key, status: 403 });
        expect(readString(body['message'])).toContain(`ValidatingAdmissionPolicy '${policyName}' with binding`);
      }
    }
    await bound.must('PATCH', `/api/v1/nodes/${node.name}/status`, label(own), merge);
  });

  test('an agent says whether the policy is in force', async () => {
    const { cluster, configure } = stage();
    await configure([]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await untilMetric(agent, 'admission_policy_in_force', 1);
    await agent.stop();
    await cluster.bindPolicy(false);
    try {
      const unprotected = await node.startAgent();
      await untilMetric(unprotected, 'admission_policy_in_force', 0);
      await untilSaid(unprotected, /^no admission policy is in force/, { level: 'error' });
      const now = await node.admin.node();
      expect(Object.keys(now?.labels ?? {}).filter((key) => key.includes('policy-self-test'))).toEqual([]);
      await unprotected.stop();
    } finally {
      await cluster.bindPolicy(true);
    }
  });

  test('an agent that may not write its Node works on all the same', async () => {
    const { runtime, push, configure } = stage();
    const image = await push();
    await configure([{ name: 'untold', images: [image] }]);
    const other = await makeNode(stage());
    const node = await makeNode(stage(), { tokenOf: other.name });
    const agent = await node.startAgent();
    await untilHeld(runtime, image);
    const said = await untilSaid(agent, 'labels and condition of the node are not written: trying again');
    expect(said).toMatchObject({ level: 'warn', detail: 'forbidden' });
    expect(said['error']).toContain('the token names no node, or another node');
    expect(await node.label('untold')).toBeUndefined();
    expect(await other.label('untold')).toBeUndefined();
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    // Events are not the policy's.
    expect(await node.untilEvent('Normal ImageSetReady')).toContain('untold');
  });

  test('a token that is refused is read anew from its file', async () => {
    const { cluster, runtime, push, configure } = stage();
    const [one, two] = [await push(), await push()];
    await configure([{ name: 'renewed', images: [one] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await node.untilLabel('renewed', 'ready');
    await cluster.revokeTokens(node.name);
    await node.renewToken();
    await configure([
      { name: 'renewed', images: [one, two] },
      { name: 'another', images: [two] },
    ]);
    await untilHeld(runtime, two);
    await node.untilLabel('another', 'ready');
    expect(agent.process.exitCode).toBeNull();
  });
}
