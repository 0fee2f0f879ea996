/** Pages, metadata alone and access reviews, as kube-apiserver 1.36.3 answers. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { ApiClient, type Answer } from './api-client.ts';

const nodes = '/api/v1/nodes';
const maps = '/api/v1/namespaces/default/configmaps';
const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const onlyMetadata = (kind: string): string => `application/json;as=${kind};g=meta.k8s.io;v=v1,application/json`;

let server: ApiServer;
let client: ApiClient;

beforeEach(async () => {
  server = await startApiServer();
  client = new ApiClient(server, server.issueToken({ user: 'admin', groups: ['system:masters'] }));
  for (const name of ['n1', 'n2', 'n3', 'n4', 'n5']) server.put('nodes', { metadata: { name, labels: { a: name } } });
});

afterEach(async () => {
  await client.close();
  await server.remove();
});

const list = (query: Record<string, string>, path = nodes): Promise<Answer> =>
  client.get(`${path}?${new URLSearchParams(query).toString()}`);
const names = ({ body }: Answer): unknown => body.items?.map(({ metadata }) => metadata.name);
function rest({ body }: Answer): string {
  const token = body.metadata['continue'] ?? '';
  return typeof token === 'string' ? token : JSON.stringify(token);
}

test('a list comes in pages of one snapshot, whatever happens in between', async () => {
  const first = await list({ limit: '2' });
  expect(names(first)).toEqual(['n1', 'n2']);
  expect(first.body.metadata['remainingItemCount']).toBe(3);
  server.delete('nodes', 'n3');
  server.patch('nodes', 'n4', { metadata: { labels: { a: 'changed' } } });
  server.put('nodes', { metadata: { name: 'n2a' } });
  const second = await list({ limit: '2', continue: rest(first) });
  expect(names(second)).toEqual(['n3', 'n4']);
  expect(second.body.items?.[1]?.metadata.labels).toEqual({ a: 'n4' });
  const third = await list({ limit: '2', continue: rest(second) });
  expect(names(third)).toEqual(['n5']);
  expect(rest(third)).toBe('');
  for (const { body } of [second, third]) {
    expect(body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  }
  expect(names(await list({ limit: '2', continue: rest(first) }))).toEqual(['n3', 'n4']);
});

test('pages go with selectors, and then nobody counts what is left', async () => {
  const first = await list({ limit: '1', labelSelector: 'a in (n2, n4)' });
  expect(names(first)).toEqual(['n2']);
  expect(first.body.metadata).not.toHaveProperty('remainingItemCount');
  expect(names(await list({ limit: '1', labelSelector: 'a in (n2, n4)', continue: rest(first) }))).toEqual(['n4']);
  expect(names(await list({ limit: '1', fieldSelector: 'metadata.name=n3' }))).toEqual(['n3']);
  for (const name of ['a', 'b', 'c']) server.put('configmaps', { metadata: { name, namespace: 'default' } });
  server.put('configmaps', { metadata: { name: 'b', namespace: 'other' } });
  const maps1 = await list({ limit: '2' }, maps);
  expect(names(maps1)).toEqual(['a', 'b']);
  expect(names(await list({ limit: '2', continue: rest(maps1) }, maps))).toEqual(['c']);
});

test.each([
  [{ limit: '2', resourceVersion: '0' }, 200, 5],
  [{ limit: '-1' }, 200, 5],
  [{ limit: 'abc' }, 400, undefined],
  [{ limit: '2', continue: 'abc' }, 400, undefined],
])('%j is %i', async (query: Record<string, string>, status, count) => {
  const answer = await list(query);
  expect(answer.status).toBe(status);
  expect(answer.body.items?.length).toBe(count);
});

test('a token that is too old, or comes with a resourceVersion, is refused', async () => {
  const first = await list({ limit: '2' });
  expect(await list({ continue: rest(first), resourceVersion: '1' })).toMatchObject({
    status: 400,
    body: { message: 'specifying resource version is not allowed when using continue' },
  });
  server.put('nodes', { metadata: { name: 'n6' } });
  server.compact();
  const { status, body } = await list({ limit: '2', continue: rest(first) });
  expect({ status, reason: body.reason }).toEqual({ status: 410, reason: 'Expired' });
});

test('metadata alone', async () => {
  const accept = onlyMetadata('PartialObjectMetadataList');
  const { status, body } = await client.ask('GET', `${nodes}?limit=1`, { accept });
  expect({ status, kind: body.kind, apiVersion: body.apiVersion }).toEqual({
    status: 200,
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
  });
  expect(body.metadata['remainingItemCount']).toBe(4);
  expect(body.items).toEqual([
    {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: server.get('nodes', 'n1')?.metadata,
    },
  ]);
  expect(await client.ask('GET', `${nodes}/n1`, { accept })).toMatchObject({
    status: 406,
    body: { message: 'you requested PartialObjectMetadataList, but the requested object is not a list (*core.Node)' },
  });
  const one = await client.ask('GET', `${nodes}/n1`, { accept: onlyMetadata('PartialObjectMetadata') });
  expect(one.body).not.toHaveProperty('status');
  expect((await client.ask('GET', `${nodes}/none`, { accept })).status).toBe(404);
});

test('an access review says what the rules say, to everybody', async () => {
  const user = 'system:serviceaccount:stevedore:stevedore';
  const place = { user, groups: [''], namespaces: ['stevedore'] };
  server.rules.push({ ...place, verbs: ['update'], resources: ['configmaps'], resourceNames: ['one'] });
  server.rules.push({ user, groups: [''], verbs: ['patch'], resources: ['nodes/status'] });
  const token = server.issueToken({ user });
  const may = async (resourceAttributes: object): Promise<unknown> => {
    const answer = await client.ask('POST', reviews, { body: { spec: { resourceAttributes } }, token });
    expect(answer).toMatchObject({
      status: 201,
      body: { kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
    });
    return answer.body.status?.['allowed'];
  };
  const update = { verb: 'update', resource: 'configmaps', namespace: 'stevedore' };
  expect(await may({ ...update, name: 'one' })).toBe(true);
  expect(await may({ ...update, name: 'two' })).toBe(false);
  expect(await may(update)).toBe(false);
  expect(await may({ ...update, name: 'one', namespace: 'default' })).toBe(false);
  expect(await may({ verb: 'patch', resource: 'nodes', subresource: 'status' })).toBe(true);
  expect(await may({ verb: 'patch', resource: 'nodes' })).toBe(false);
  const nothing = await client.ask('POST', reviews, { body: { spec: {} }, token });
  expect(nothing).toMatchObject({ status: 422, body: { reason: 'Invalid' } });
  expect((await client.ask('GET', reviews, { token })).status).toBe(403);
  expect((await client.get(reviews)).status).toBe(405);
});
