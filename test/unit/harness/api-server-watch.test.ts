import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { ApiClient, merge, type OpenWatch, until } from './api-client.ts';

const nodes = '/api/v1/nodes';
const maps = '/api/v1/namespaces/stevedore/configmaps';
let server: ApiServer;
let client: ApiClient;

beforeEach(async () => {
  server = await startApiServer({ bookmarkIntervalMs: 20 });
  client = new ApiClient(server, server.issueToken({ user: 'admin', groups: ['system:masters'] }));
  server.put('nodes', { metadata: { name: 'n1' } });
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const types = ({ events }: OpenWatch): string[] => events.map(({ type, object }) => `${type} ${object.metadata.name}`);
const label = (x: string | null): void => void server.patch('nodes', 'n1', { metadata: { labels: { x } } });

test('a watch from the revision of a list tells what came after it, in order, until its time is up', async () => {
  const list = await client.get(nodes);
  label('before');
  const watch = await client.watch(nodes, {
    resourceVersion: list.body.metadata.resourceVersion ?? '',
    timeoutSeconds: '1',
  });
  label('during');
  server.put('nodes', { metadata: { name: 'n2' } });
  server.delete('nodes', 'n1');
  await until(() => watch.ended !== undefined);

  expect(watch.ended).toBe('end');
  expect(types(watch)).toEqual(['MODIFIED n1', 'MODIFIED n1', 'ADDED n2', 'DELETED n1']);
  expect(watch.events.map(({ object }) => object.metadata.labels?.['x'])).toEqual([
    'before',
    'during',
    undefined,
    'during',
  ]);
  expect(watch.events.at(-1)?.object.metadata.resourceVersion).toBe(server.resourceVersion);
});

test('without a revision, or from 0, it begins with what is there', async () => {
  for (const query of [{}, { resourceVersion: '0' }]) {
    const watch = await client.watch(nodes, query);
    await until(() => watch.events.length > 0);
    expect(types(watch)).toEqual(['ADDED n1']);
  }
});

test('a field selector by name hides all other objects, and a namespace hides all others', async () => {
  const watch = await client.watch(nodes, {
    fieldSelector: 'metadata.name=n2',
    resourceVersion: server.resourceVersion,
  });
  const inOne = await client.watch(maps, { resourceVersion: server.resourceVersion });
  label('x');
  server.put('nodes', { metadata: { name: 'n2' } });
  server.put('configmaps', { metadata: { name: 'a', namespace: 'default' } });
  server.put('configmaps', { metadata: { name: 'b', namespace: 'stevedore' } });
  await until(() => watch.events.length > 0 && inOne.events.length > 0);
  expect(types(watch)).toEqual(['ADDED n2']);
  expect(types(inOne)).toEqual(['ADDED b']);
});

test('what enters a label selector is added, what leaves it is deleted as it last was in it', async () => {
  const watch = await client.watch(nodes, { labelSelector: 'x=yes', resourceVersion: server.resourceVersion });
  for (const x of ['no', 'yes', 'no', 'yes', null]) label(x);
  await until(() => watch.events.length === 4);
  expect(types(watch)).toEqual(['ADDED n1', 'DELETED n1', 'ADDED n1', 'DELETED n1']);
  expect(watch.events[1]?.object.metadata.labels).toEqual({ x: 'yes' });
});

test('bookmarks come to those who ask, with the latest revision', async () => {
  const query = { resourceVersion: server.resourceVersion, fieldSelector: 'metadata.name=n1' };
  const with_ = await client.watch(nodes, { ...query, allowWatchBookmarks: 'true' });
  const without = await client.watch(nodes, query);
  server.put('nodes', { metadata: { name: 'other' } });
  const isLatest = (): boolean => with_.events.at(-1)?.object.metadata.resourceVersion === server.resourceVersion;
  await until(isLatest);
  expect(with_.events.at(-1)).toEqual({
    type: 'BOOKMARK',
    object: { kind: 'Node', apiVersion: 'v1', metadata: { resourceVersion: server.resourceVersion } },
  });
  expect(without.events).toEqual([]);
});

test('an expired revision is one ERROR line in a 200; a list answers as ever, one of exactly that revision 410', async () => {
  label('x');
  const stays = await client.watch(nodes, { resourceVersion: server.resourceVersion });
  server.compact();
  const watch = await client.watch(nodes, { resourceVersion: '1' });
  await until(() => watch.ended !== undefined);

  expect(watch).toMatchObject({ status: 200, ended: 'end' });
  expect(watch.events).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', reason: 'Expired', code: 410 } }]);
  expect((await client.get(`${nodes}?resourceVersion=1`)).status).toBe(200);
  expect((await client.get(`${nodes}?resourceVersion=1&resourceVersionMatch=Exact`)).status).toBe(410);
  label('y');
  await until(() => stays.events.length === 1);
});

test('a revision of the future is a 200 and silence; a list answers 504', async () => {
  const watch = await client.watch(nodes, { resourceVersion: '999', allowWatchBookmarks: 'true', timeoutSeconds: '1' });
  label('x');
  await until(() => watch.ended !== undefined);
  expect(watch).toMatchObject({ status: 200, ended: 'end', events: [] });
  const list = await client.get(`${nodes}?resourceVersion=999`);
  expect(list).toMatchObject({ status: 504, body: { reason: 'Timeout' } });
  expect(list.body.message).toContain('Too large resource version');
});

test('sendInitialEvents is 422 as in 1.33, or served as from 1.34', async () => {
  const query = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: 'true' };
  expect((await client.watch(nodes, query)).status).toBe(422);

  const newer = await startApiServer({ watchList: true });
  newer.put('nodes', { metadata: { name: 'n1' } });
  const other = new ApiClient(newer, newer.issueToken({ user: 'admin', groups: ['system:masters'] }));
  const watch = await other.watch(nodes, query);
  await until(() => watch.events.length === 2);
  expect(watch.events).toMatchObject([
    { type: 'ADDED' },
    { type: 'BOOKMARK', object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } } },
  ]);
  await other.close();
  await newer.remove();
});

test('a restart loses the history: connections break, an older revision is expired, the latest is not', async () => {
  const old = server.resourceVersion;
  label('x');
  const open = await client.watch(nodes, { resourceVersion: old });
  await server.restart();
  await until(() => open.ended !== undefined);
  expect(open.ended).not.toBe('end');

  const expired = await client.watch(nodes, { resourceVersion: old });
  const fresh = await client.watch(nodes, { resourceVersion: server.resourceVersion });
  label('y');
  await until(() => expired.ended !== undefined && fresh.events.length > 0);
  expect(expired.events).toMatchObject([{ type: 'ERROR', object: { code: 410 } }]);
  expect(types(fresh)).toEqual(['MODIFIED n1']);
});

test('a client that leaves leaves no watch behind', async () => {
  const watch = await client.watch(nodes);
  await until(() => server.watches.length === 1);
  watch.close();
  await until(() => server.watches.length === 0);
  await client.patch(`${nodes}/n1`, merge, { metadata: { labels: { still: 'works' } } });
});
