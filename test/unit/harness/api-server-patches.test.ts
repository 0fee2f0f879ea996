import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { ApiClient, jsonPatch, merge, strategic } from './api-client.ts';

const node = '/api/v1/nodes/n1';
const gate = 'startup-taint.cluster-autoscaler.kubernetes.io/stevedore';
let server: ApiServer;
let client: ApiClient;

beforeEach(async () => {
  server = await startApiServer();
  client = new ApiClient(server, server.issueToken({ user: 'admin', groups: ['system:masters'] }));
  server.put('nodes', {
    metadata: { name: 'n1', labels: { zone: 'a' } },
    spec: {
      taints: [
        { key: 'other', value: 'x', effect: 'NoSchedule' },
        { key: gate, effect: 'NoSchedule' },
      ],
    },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'DiskPressure', status: 'False' },
      ],
    },
  });
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const conditionTypes = (): (string | undefined)[] =>
  (server.get('nodes', 'n1')?.status?.conditions ?? []).map(({ type }) => type);

test('a merge patch changes labels per key, and replaces all conditions', async () => {
  const labelled = await client.patch(`${node}/status`, merge, { metadata: { labels: { zone: null, new: 'b' } } });
  expect(labelled.body.metadata.labels).toEqual({ new: 'b' });

  await client.patch(`${node}/status`, merge, { status: { conditions: [{ type: 'Mine', status: 'True' }] } });
  expect(conditionTypes()).toEqual(['Mine']);
});

test('a strategic patch merges conditions by type, puts a new one first, and deletes one by directive', async () => {
  const change = (condition: object) =>
    client.patch(`${node}/status`, strategic, { status: { conditions: [condition] } });

  await change({ type: 'Mine', status: 'Maybe' });
  expect(conditionTypes()).toEqual(['Mine', 'Ready', 'DiskPressure']);
  await change({ type: 'Ready', status: 'False', lastHeartbeatTime: '2026-01-01T00:00:00.987Z' });
  expect(server.get('nodes', 'n1')?.status?.conditions?.[1]).toEqual({
    type: 'Ready',
    status: 'False',
    lastHeartbeatTime: '2026-01-01T00:00:00Z',
    lastTransitionTime: null,
  });
  await change({ type: 'Mine', $patch: 'delete' });
  expect(conditionTypes()).toEqual(['Ready', 'DiskPressure']);
});

test('a strategic patch replaces the taints, and its delete directive is no taint', async () => {
  const directive = await client.patch(node, strategic, { spec: { taints: [{ key: gate, $patch: 'delete' }] } });
  expect(directive).toMatchObject({ status: 422, body: { reason: 'Invalid', details: { kind: 'Node' } } });

  await client.patch(node, strategic, { spec: { taints: [{ key: 'only', effect: 'NoExecute' }] } });
  expect(server.get('nodes', 'n1')?.spec?.taints).toEqual([{ key: 'only', effect: 'NoExecute' }]);
});

test('a JSON patch removes a taint only while the test beside it holds', async () => {
  const remove = (index: number) =>
    client.patch(node, jsonPatch, [
      { op: 'test', path: `/spec/taints/${index}`, value: { key: gate, effect: 'NoSchedule' } },
      { op: 'remove', path: `/spec/taints/${index}` },
    ]);

  expect(await remove(0)).toMatchObject({
    status: 422,
    body: { message: 'the server rejected our request due to an error in our request', reason: 'Invalid' },
  });
  expect(await remove(7)).toMatchObject({ status: 422 });
  expect(await remove(1)).toMatchObject({ status: 200 });
  expect(server.get('nodes', 'n1')?.spec?.taints).toEqual([{ key: 'other', value: 'x', effect: 'NoSchedule' }]);
});

test.each([
  ['replaces a key that is not there', [{ op: 'replace', path: '/metadata/labels/x', value: 'y' }], 200],
  ['escapes a slash', [{ op: 'add', path: '/metadata/labels/a.b~1c', value: 'y' }], 200],
  ['tests for what is not there', [{ op: 'test', path: '/metadata/labels/x', value: null }], 200],
  ['moves', [{ op: 'move', from: '/metadata/labels/zone', path: '/metadata/labels/x' }], 200],
  ['copies', [{ op: 'copy', from: '/metadata/labels/zone', path: '/metadata/labels/x' }], 200],
  ['cannot add below what is not there', [{ op: 'add', path: '/metadata/annotations/x', value: 'y' }], 422],
  ['cannot remove what is not there', [{ op: 'remove', path: '/metadata/labels/x' }], 422],
  ['knows no other operations', [{ op: 'frob', path: '/metadata/labels/x' }], 422],
  ['is a list', { metadata: {} }, 400],
])('a JSON patch %s', async (_what, body, status) => {
  expect((await client.patch(node, jsonPatch, body)).status).toBe(status);
});

test('status is ignored in nodes and spec in nodes/status, labels and annotations count in both', async () => {
  const everything = {
    metadata: { labels: { x: 'y' }, annotations: { q: 'r' } },
    spec: { unschedulable: true },
    status: { conditions: [] },
  };
  await client.patch(`${node}/status`, strategic, { ...everything, status: {} });
  expect(server.get('nodes', 'n1')).toMatchObject({
    metadata: { labels: { x: 'y', zone: 'a' }, annotations: { q: 'r' } },
  });
  expect(server.get('nodes', 'n1')?.spec?.unschedulable).toBeUndefined();

  await client.patch(node, merge, everything);
  expect(server.get('nodes', 'n1')?.spec?.unschedulable).toBe(true);
  expect(conditionTypes()).toEqual(['Ready', 'DiskPressure']);
});

test('a stale resourceVersion is a conflict, under a JSON test a misfit', async () => {
  const stale = { metadata: { resourceVersion: '1', labels: { x: 'y' } } };
  for (const type of [merge, strategic]) {
    expect(await client.patch(node, type, stale)).toMatchObject({
      status: 409,
      body: { reason: 'Conflict', details: { name: 'n1', kind: 'nodes' } },
    });
  }
  const tested = [{ op: 'test', path: '/metadata/resourceVersion', value: '1' }];
  expect((await client.patch(node, jsonPatch, tested)).status).toBe(422);
});

test('what changes nothing keeps the resourceVersion, and so does a dry run', async () => {
  const before = server.resourceVersion;
  const same = await client.patch(node, merge, { metadata: { labels: { zone: 'a' } } });
  const dry = await client.patch(`${node}?dryRun=All`, merge, { metadata: { labels: { zone: 'b' } } });

  expect(same.body.metadata.resourceVersion).toBe(before);
  expect(dry.body.metadata.labels).toEqual({ zone: 'b' });
  expect(server.resourceVersion).toBe(before);
  expect(server.get('nodes', 'n1')?.metadata.labels).toEqual({ zone: 'a' });
});

test.each([
  ['a label key that is none', { metadata: { labels: { 'a b': 'x' } } }, merge, 422],
  ['a label value that is none', { metadata: { labels: { a: 'x y' } } }, merge, 422],
  ['a label name of 64 bytes', { metadata: { labels: { [`a.b/${'x'.repeat(64)}`]: 'x' } } }, merge, 422],
  ['a label value that is a number', { metadata: { labels: { a: 1 } } }, merge, 422],
  ['a time that is none', { status: { conditions: [{ type: 'A', lastHeartbeatTime: 'x' }] } }, strategic, 422],
  ['a condition without its type', { status: { conditions: [{ status: 'True' }] } }, strategic, 500],
  ['an unknown effect of a taint', { spec: { taints: [{ key: 'a', effect: 'X' }] } }, merge, 422],
  ['another name', { metadata: { name: 'n2' } }, merge, 400],
  ['another uid', { metadata: { uid: 'x' } }, merge, 422],
  ['a list', [], merge, 400],
  ['broken JSON', '{', merge, 400],
  ['an unknown type', {}, 'application/json', 415],
])('a patch with %s is refused', async (_what, body, type, status) => {
  const before = server.resourceVersion;
  const path = type === strategic ? `${node}/status` : node;
  expect(await client.patch(path, type, body)).toMatchObject({ status, body: { kind: 'Status', code: status } });
  expect(server.resourceVersion).toBe(before);
});
