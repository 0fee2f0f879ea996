import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { ApiClient, merge, until } from './api-client.ts';

const nodes = '/api/v1/nodes';
let server: ApiServer;
let client: ApiClient;
let token: string;

beforeEach(async () => {
  server = await startApiServer({ bookmarkIntervalMs: 10 });
  token = server.issueToken({ user: 'admin', groups: ['system:masters'] });
  client = new ApiClient(server, token);
  server.put('nodes', { metadata: { name: 'n1' } });
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const label = (x: string): void => void server.patch('nodes', 'n1', { metadata: { labels: { x } } });
const failure = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => 'answered',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

test('many requests and watches share one connection with HTTP/2; HTTP/1.1 is served too', async () => {
  await Promise.all([client.watch(nodes), client.watch('/api/v1/configmaps'), client.get(nodes)]);
  expect(server.connections).toEqual({ total: 1, open: 1 });

  const old = new ApiClient(server, token, { http1: true });
  const watch = await old.watch(nodes, { resourceVersion: server.resourceVersion });
  expect((await old.patch(`${nodes}/n1`, merge, { metadata: { labels: { x: 'y' } } })).status).toBe(200);
  await until(() => watch.events.length === 1);
  expect(server.connections).toEqual({ total: 3, open: 3 });
  expect(new Set(server.requests.map(({ httpVersion }) => httpVersion))).toEqual(new Set(['2.0', '1.1']));
  await old.close();
});

test('the certificate is of the given authority, and of no other', async () => {
  const code = await new Promise((resolve) => {
    connect({ host: '127.0.0.1', port: server.port }).once('error', (error: Error & { code?: string }) =>
      resolve(error.code),
    );
  });
  expect(code).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  expect((await client.get('/version')).body['gitVersion']).toBe('v1.36.3');
});

test('requests are logged as authorization sees them', async () => {
  await client.patch(`${nodes}/n1/status?dryRun=All`, merge, { metadata: { labels: { a: 'b' } } });
  await client.watch(nodes, { fieldSelector: 'metadata.name=n1' });
  await client.get('/apis/coordination.k8s.io/v1/namespaces/default/leases/x');
  expect(server.requests).toMatchObject([
    {
      method: 'PATCH',
      verb: 'patch',
      group: '',
      resource: 'nodes',
      subresource: 'status',
      name: 'n1',
      query: { dryRun: 'All' },
      contentType: merge,
      body: { metadata: { labels: { a: 'b' } } },
      user: 'admin',
      status: 200,
      connection: 1,
    },
    { verb: 'watch', resource: 'nodes', name: 'n1', status: 200 },
    { verb: 'get', group: 'coordination.k8s.io', resource: 'leases', namespace: 'default', status: 404 },
  ]);
});

test('planned answers hit the requests that they are for, that many times', async () => {
  server.faults.answers.push({ answer: 500, verb: 'list', resource: 'nodes', after: 1, times: 2 });
  server.faults.answers.push({ answer: 429, verb: 'get' });
  const lists = [];
  for (let i = 0; i < 4; i += 1) lists.push((await client.get(nodes)).status);
  expect(lists).toEqual([200, 500, 500, 200]);
  expect(await client.get(`${nodes}/n1`)).toMatchObject({ status: 429, body: { reason: 'TooManyRequests' } });

  server.faults.answers.push({ answer: 'cut' });
  expect(await failure(client.get(nodes))).not.toBe('answered');
  expect((await client.get(nodes)).status).toBe(200);
});

test('a stopped server refuses, and comes back on the same port with its objects', async () => {
  const { url } = server;
  const watch = await client.watch(nodes);
  server.stop();
  await until(() => watch.ended !== undefined);
  expect(watch.ended).not.toBe('end');
  expect(await failure(client.get(nodes))).toBe('ECONNREFUSED');

  await server.start();
  expect(server.url).toBe(url);
  expect((await client.get(`${nodes}/n1`)).status).toBe(200);
});

test('a server that is asked to leave refuses at once, and ends its watches cleanly after a while', async () => {
  const watch = await client.watch(nodes, { resourceVersion: server.resourceVersion });
  server.stop({ drainMs: 200 });
  const other = new ApiClient(server, token);
  expect(await failure(other.get(nodes))).toBe('ECONNREFUSED');
  label('still told');
  await until(() => watch.ended !== undefined);
  expect(watch.ended).toBe('end');
  expect(watch.events.map(({ type }) => type)).toEqual(['MODIFIED']);
  await other.close();
});

test.each(['hang', 'hangConnections'] as const)('with %s nobody answers until it is over', async (fault) => {
  server.faults[fault] = true;
  const asked = client.get(nodes);
  await until(() => (fault === 'hang' ? server.requests : [1]).length === 1 && server.connections.total === 1);
  expect(await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))])).toBe('nothing');
  server.faults[fault] = false;
  server.cutConnections();
  expect(await failure(asked)).not.toBe('answered');
  expect((await client.get(nodes)).status).toBe(200);
});

test('a silenced watch stays open and says nothing; a new one speaks', async () => {
  const query = { resourceVersion: server.resourceVersion, allowWatchBookmarks: 'true' };
  const dead = await client.watch(nodes, query);
  await until(() => dead.events.length > 0);
  server.silenceWatches();
  const fresh = await client.watch(nodes, query);
  label('x');
  await until(() => fresh.events.some(({ type }) => type === 'MODIFIED'));
  expect(dead.events.every(({ type }) => type === 'BOOKMARK')).toBe(true);
  expect(dead.ended).toBeUndefined();
});

test('watches can be ended cleanly', async () => {
  const watch = await client.watch(nodes);
  server.endWatches();
  await until(() => watch.ended !== undefined);
  expect(watch.ended).toBe('end');
});

test('slow bytes come whole', async () => {
  server.put('configmaps', { metadata: { name: 'big', namespace: 'default' }, data: { a: 'x'.repeat(20_000) } });
  server.faults.bytesPerSecond = 100_000;
  const watch = await client.watch('/api/v1/configmaps');
  const got = await client.get('/api/v1/namespaces/default/configmaps/big');
  expect(got.body.data?.['a']).toHaveLength(20_000);
  await until(() => watch.events.length === 1);
});

test('a thousand watches of one node each hear of their own only', async () => {
  for (let i = 0; i < 1_000; i += 1) server.put('nodes', { metadata: { name: `w${i}` } });
  const { resourceVersion } = server;
  const clients = Array.from({ length: 10 }, () => new ApiClient(server, token));
  const watches = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) =>
      (clients[i % 10] ?? client).watch(nodes, { resourceVersion, fieldSelector: `metadata.name=w${i}` }),
    ),
  );
  for (let i = 0; i < 1_000; i += 1) server.patch('nodes', `w${i}`, { metadata: { labels: { x: 'y' } } });
  await until(() => watches.every(({ events }) => events.length === 1));
  expect(watches.every(({ events }, i) => events[0]?.object.metadata.name === `w${i}`)).toBe(true);
  await Promise.all(clients.map((one) => one.close()));
}, 30_000);
