import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { ApiClient, merge } from './api-client.ts';

const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const events = '/apis/events.k8s.io/v1/namespaces/default/events';
const maps = '/api/v1/namespaces/default/configmaps';
let server: ApiServer;
let client: ApiClient;

beforeEach(async () => {
  server = await startApiServer();
  client = new ApiClient(server, server.issueToken({ user: 'admin', groups: ['system:masters'] }));
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const post = (path: string, body: object) => client.ask('POST', path, { body });
const put = (path: string, body: object) => client.ask('PUT', path, { body });

const lease = {
  metadata: { name: 'slot' },
  spec: { holderIdentity: 'n1', leaseDurationSeconds: 30, renewTime: '2026-01-01T01:00:00.123456+01:00' },
};

test('a Lease is made once, taken over with its resourceVersion only, and released by an empty holder', async () => {
  const made = await post(leases, lease);
  expect(made).toMatchObject({ status: 201, body: { spec: { renewTime: '2026-01-01T00:00:00.123456Z' } } });
  expect(await post(leases, lease)).toMatchObject({
    status: 409,
    body: { reason: 'AlreadyExists', message: 'leases.coordination.k8s.io "slot" already exists' },
  });
  expect(await put(`${leases}/slot`, lease)).toMatchObject({ status: 422, body: { reason: 'Invalid' } });

  const released = { ...made.body, spec: { ...made.body.spec, holderIdentity: '' } };
  expect(await put(`${leases}/slot`, released)).toMatchObject({ status: 200, body: { spec: { holderIdentity: '' } } });
  expect(await put(`${leases}/slot`, released)).toMatchObject({ status: 409, body: { reason: 'Conflict' } });
});

test.each(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123Z', '2026-01-01T00:00:00.123456789Z'])(
  'a MicroTime has six decimals: %s is 400 in a body and 422 in a patch',
  async (renewTime) => {
    expect((await post(leases, { ...lease, spec: { renewTime } })).status).toBe(400);
    await post(leases, lease);
    expect((await client.patch(`${leases}/slot`, merge, { spec: { renewTime } })).status).toBe(422);
  },
);

test.each([
  [0, 422],
  [-1, 422],
  [1.5, 400],
  ['30', 400],
  [3e9, 400],
])('a Lease that lasts %j seconds is %d', async (leaseDurationSeconds, status) => {
  expect((await post(leases, { ...lease, spec: { leaseDurationSeconds } })).status).toBe(status);
});

test('nothing is made in a namespace that is not there', async () => {
  const refused = await post('/apis/coordination.k8s.io/v1/namespaces/nowhere/leases', lease);
  expect(refused).toMatchObject({ status: 404, body: { message: 'namespaces "nowhere" not found' } });
  expect((await client.get(`${leases}/none`)).body.message).toBe('leases.coordination.k8s.io "none" not found');
});

const event = {
  metadata: { name: 'n1.abc' },
  eventTime: '2026-01-01T00:00:00.000000Z',
  action: 'Prefetch',
  reason: 'ImageSetReady',
  reportingController: 'stevedore.dev/agent',
  reportingInstance: 'n1',
  note: 'ready',
  type: 'Normal',
  regarding: { kind: 'Node', name: 'n1', uid: 'n1', apiVersion: 'v1' },
};

test('an Event about a Node lies in default or kube-system', async () => {
  server.put('namespaces', { metadata: { name: 'stevedore' } });
  const statusIn = async (place: string): Promise<number> =>
    (await post(events.replace('default', place), event)).status;
  expect(await statusIn('default')).toBe(201);
  expect(await statusIn('kube-system')).toBe(201);
  expect(await statusIn('stevedore')).toBe(422);
});

test.each([
  ['no time', { eventTime: undefined }, 422],
  ['no action', { action: undefined }, 422],
  ['no reason', { reason: undefined }, 422],
  ['no controller', { reportingController: undefined }, 422],
  ['no instance', { reportingInstance: undefined }, 422],
  ['an instance of 129 bytes', { reportingInstance: 'x'.repeat(129) }, 422],
  ['a note of 1,024 bytes', { note: 'x'.repeat(1_024) }, 201],
  ['a note of 1,025 bytes', { note: 'x'.repeat(1_025) }, 422],
  ['a note of 513 characters in 1,026 bytes', { note: 'ü'.repeat(513) }, 422],
  ['another type', { type: 'Info' }, 422],
  ['a time of three decimals', { eventTime: '2026-01-01T00:00:00.000Z' }, 400],
  ['a generated name that ends with a dot', { metadata: { generateName: 'n1.' } }, 422],
  ['a generated name', { metadata: { generateName: 'n1-' } }, 201],
  ['a name in upper case', { metadata: { name: 'N1' } }, 422],
])('an Event with %s', async (_what, change, status) => {
  expect((await post(events, { ...event, ...change })).status).toBe(status);
});

test("an Event's series can be patched, its note cannot", async () => {
  await post(events, event);
  const series = { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
  expect((await client.patch(`${events}/n1.abc`, merge, { series })).body['series']).toEqual(series);
  expect((await client.patch(`${events}/n1.abc`, merge, { note: 'other' })).status).toBe(422);
});

test('a ConfigMap holds 1,048,576 bytes, a request 3 MiB, and an immutable one changes its labels only', async () => {
  const withData = (data: object, name = 'a') => post(maps, { metadata: { name }, data });
  expect((await withData({ a: 'x'.repeat(1_048_576) })).status).toBe(201);
  expect(await withData({ a: 'x'.repeat(1_048_577) }, 'b')).toMatchObject({ status: 422 });
  expect(await withData({ a: 'x'.repeat(3_200_000) }, 'b')).toMatchObject({ status: 413 });
  expect(await withData({ a: 1 }, 'b')).toMatchObject({ status: 400 });

  await withData({ a: 'x' }, 'c');
  const patch = async (body: object): Promise<number> => (await client.patch(`${maps}/c`, merge, body)).status;
  expect(await patch({ immutable: true })).toBe(200);
  expect(await patch({ data: { a: 'y' } })).toBe(422);
  expect(await patch({ immutable: false })).toBe(422);
  expect(await patch({ metadata: { labels: { x: 'y' } } })).toBe(200);
});

test('a list is of one namespace, or of what selectors leave, and says its revision', async () => {
  for (const [place, name, team] of [
    ['one', 'a', 'x'],
    ['one', 'b', 'y'],
    ['two', 'c', 'x'],
  ] as const) {
    server.put('configmaps', { metadata: { name, namespace: place, labels: { team } } });
  }
  const names = async (path: string): Promise<(string | undefined)[]> =>
    ((await client.get(path)).body.items ?? []).map(({ metadata }) => metadata.name);

  expect(await names('/api/v1/configmaps')).toEqual(['a', 'b', 'c']);
  expect(await names('/api/v1/namespaces/one/configmaps')).toEqual(['a', 'b']);
  expect(await names('/api/v1/configmaps?labelSelector=team%3Dx')).toEqual(['a', 'c']);
  expect(await names('/api/v1/configmaps?labelSelector=team,team!%3Dx')).toEqual(['b']);
  expect(await names('/api/v1/namespaces/one/configmaps?fieldSelector=metadata.name%3Db')).toEqual(['b']);
  expect((await client.get('/api/v1/configmaps?fieldSelector=data%3Dx')).status).toBe(400);
  expect((await client.get('/api/v1/configmaps')).body).toMatchObject({
    kind: 'ConfigMapList',
    metadata: { resourceVersion: server.resourceVersion },
  });
});

test('a delete may name the uid it means', async () => {
  const { uid } = server.put('nodes', { metadata: { name: 'n1' } }).metadata;
  const remove = (wanted: string | undefined) =>
    client.ask('DELETE', '/api/v1/nodes/n1', { body: { preconditions: { uid: wanted } } });
  expect((await remove('another')).status).toBe(409);
  expect(await remove(uid)).toMatchObject({ status: 200, body: { status: 'Success' } });
  expect(server.get('nodes', 'n1')).toBeUndefined();
});
