import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, ownNodePolicy, startApiServer } from '../../harness/api-server/api-server.ts';
import { type Answer, ApiClient, jsonPatch, merge, strategic, until } from './api-client.ts';

const agent = 'system:serviceaccount:stevedore:stevedore';
const gate = 'startup-taint.cluster-autoscaler.kubernetes.io/stevedore';
const rbac = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: stevedore }
rules:
  - { apiGroups: [""], resources: [nodes], verbs: [get, list, watch, patch] }
  - { apiGroups: [""], resources: [nodes/status], verbs: [patch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: stevedore }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stevedore }
subjects: [{ kind: ServiceAccount, name: stevedore, namespace: stevedore }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: stevedore, namespace: stevedore }
rules:
  - { apiGroups: [""], resources: [configmaps], verbs: [get, list, watch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: stevedore, namespace: stevedore }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: stevedore }
subjects: [{ kind: ServiceAccount, name: stevedore, namespace: stevedore }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: stevedore, namespace: stevedore }
data: { config.yaml: "imageSets: []" }
`;

let server: ApiServer;
let client: ApiClient;
let token: string;

beforeEach(async () => {
  server = await startApiServer({ admission: ownNodePolicy() });
  server.load(rbac);
  for (const name of ['n1', 'n2']) {
    server.put('nodes', {
      metadata: { name, labels: { foreign: 'x', 'image-set.stevedore.dev/a': 'pending' } },
      spec: {
        taints: [
          { key: 'other', effect: 'NoSchedule' },
          { key: gate, effect: 'NoSchedule' },
        ],
      },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }
  token = server.issueToken({ user: agent, node: 'n1' });
  client = new ApiClient(server, token);
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const label = (node: string, key: string): Promise<Answer> =>
  client.patch(`/api/v1/nodes/${node}`, merge, { metadata: { labels: { [key]: 'ready' } } });

test('an unknown or expired token is 401, and what is open goes on', async () => {
  const watch = await client.watch('/api/v1/nodes', { resourceVersion: server.resourceVersion });
  server.expireToken(token);
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Unauthorized',
    reason: 'Unauthorized',
    code: 401,
  };
  expect((await client.get('/api/v1/nodes')).body).toEqual(status);
  expect((await client.ask('GET', '/api/v1/nodes', { token: 'unknown' })).body).toEqual(status);

  server.patch('nodes', 'n1', { metadata: { labels: { x: 'y' } } });
  await until(() => watch.events.length === 1);
});

test('a token bound to a Node dies with that Node, one bound to a Pod does not', async () => {
  const bound = server.issueToken({ user: agent, node: 'n1', nodeUid: server.get('nodes', 'n1')?.metadata.uid ?? '' });
  const ask = async (one: string): Promise<number> => (await client.ask('GET', '/api/v1/nodes', { token: one })).status;
  expect(await ask(bound)).toBe(200);

  server.delete('nodes', 'n1');
  server.put('nodes', { metadata: { name: 'n1' } });
  expect(await ask(bound)).toBe(401);
  expect(await ask(token)).toBe(200);
});

test('Roles hold in their namespace, ClusterRoles everywhere, and what no rule allows is 403 in the real words', async () => {
  expect((await client.get('/api/v1/namespaces/stevedore/configmaps/stevedore')).status).toBe(200);
  expect((await client.get('/api/v1/namespaces/default/configmaps')).body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `configmaps is forbidden: User "${agent}" cannot list resource "configmaps" in API group "" in the namespace "default"`,
    reason: 'Forbidden',
    details: { kind: 'configmaps' },
    code: 403,
  });
  const named = await client.ask('DELETE', '/api/v1/nodes/n1');
  expect(named.body.message).toBe(
    `nodes "n1" is forbidden: User "${agent}" cannot delete resource "nodes" in API group "" at the cluster scope`,
  );
  expect((await client.get('/api/v1/namespaces/stevedore/secrets/x')).status).toBe(403);
  expect((await client.ask('GET', '/api/v1/nodes', { token: null })).body.message).toContain('system:anonymous');
});

test('resourceNames restrict a watch that selects by that name, and refuse every other', async () => {
  server.rules.length = 0;
  const may = { verbs: ['list', 'watch'], groups: [''], resources: ['nodes'], resourceNames: ['n1'] };
  server.rules.push({ user: agent, ...may });
  const watch = async (query: Record<string, string>): Promise<number> =>
    (await client.watch('/api/v1/nodes', query)).status;

  expect(await watch({ fieldSelector: 'metadata.name=n1' })).toBe(200);
  expect(await watch({ fieldSelector: 'metadata.name=n2' })).toBe(403);
  expect(await watch({ labelSelector: 'foreign=x' })).toBe(403);
  expect(await watch({})).toBe(403);
});

test('the policy lets the agent change its own keys of its own node', async () => {
  expect((await label('n1', 'image-set.stevedore.dev/a')).status).toBe(200);
  const condition = { type: 'ImageSetsReady', status: 'True' };
  const both = { metadata: { labels: { 'image-set.stevedore.dev/a': null } }, status: { conditions: [condition] } };
  expect((await client.patch('/api/v1/nodes/n1/status', strategic, both)).status).toBe(200);
  const ungate = [{ op: 'remove', path: '/spec/taints/1' }];
  expect((await client.patch('/api/v1/nodes/n1', jsonPatch, ungate)).status).toBe(200);

  expect(server.get('nodes', 'n1')).toMatchObject({
    metadata: { labels: { foreign: 'x' } },
    spec: { taints: [{ key: 'other' }] },
    status: { conditions: [condition, { type: 'Ready' }] },
  });
});

test.each([
  ['n2', merge, {}, 'the token names no node, or another node'],
  ['n1', merge, { metadata: { labels: { foreign: 'y' } } }, 'only labels with the prefix'],
  ['n1', merge, { metadata: { labels: { foreign: null } } }, 'only labels with the prefix'],
  ['n1/status', merge, { metadata: { labels: { 'image-set.stevedore.dev.evil/a': 'y' } } }, 'only labels with'],
  ['n1', merge, { metadata: { annotations: { a: 'b' } } }, 'metadata other than labels may not change'],
  ['n1', merge, { spec: { unschedulable: true } }, 'spec other than taints may not change'],
  ['n1', jsonPatch, [{ op: 'remove', path: '/spec/taints/0' }], 'may be removed, and none added or changed'],
  ['n1', jsonPatch, [{ op: 'add', path: '/spec/taints/1/value', value: 'x' }], 'may be removed, and none'],
  ['n1/status', strategic, { status: { conditions: [{ type: 'Ready', status: 'False' }] } }, 'only the condition'],
  ['n1/status', merge, { status: { conditions: [] } }, 'only the condition'],
  ['n1/status', merge, { status: { capacity: { cpu: '2' } } }, 'status other than conditions may not change'],
])('the policy refuses a patch of %s as %s with %j', async (path, type, body, message) => {
  const refused = await client.patch(`/api/v1/nodes/${path}?dryRun=All`, type, body);
  expect(refused).toMatchObject({ status: 403, body: { reason: 'Forbidden', code: 403, details: { kind: 'nodes' } } });
  expect(refused.body.message).toMatch(
    /^nodes "n\d" is forbidden: ValidatingAdmissionPolicy 'stevedore-own-node' with binding 'stevedore-own-node' denied request: /,
  );
  expect(refused.body.message).toContain(message);
});

test('the policy refuses a token without a node, does not look at other users, and can be taken away', async () => {
  const unbound = server.issueToken({ user: agent });
  const change = { contentType: merge, body: { metadata: { labels: { foreign: 'y' } } } };
  expect((await client.ask('PATCH', '/api/v1/nodes/n1', { ...change, body: {}, token: unbound })).status).toBe(403);

  const admin = server.issueToken({ user: 'admin', groups: ['system:masters'] });
  expect((await client.ask('PATCH', '/api/v1/nodes/n1', { ...change, token: admin })).status).toBe(200);
  server.admission = undefined;
  expect((await label('n2', 'anything')).status).toBe(200);
});
