/** Lists in pages, Nodes without what they are made of, and updates that leave alone what others wrote to an object. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { ResolvedConfigMap } from '../../../agent/cluster/cluster.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { expectFailure, soon, startWatching, until } from './helpers.ts';
import { type Adapter, namespace, startAdapter } from './setup.ts';

const [first] = resolvedConfigMaps;

function lists({ server }: Adapter, resource: string) {
  return server.requests.filter((one) => one.verb === 'list' && one.resource === resource);
}

describe('ConfigMaps', () => {
  const put = ({ server }: Adapter, name: string, data = {}): void =>
    void server.put('configmaps', { metadata: { name, namespace }, data });

  test('are listed in pages, at the start of a watch too, and none is lost at a border', async () => {
    const adapter = await startAdapter();
    for (let i = 0; i < 50; i += 1) put(adapter, `another-${String(i).padStart(2, '0')}`);
    for (const name of resolvedConfigMaps) put(adapter, name, { 'resolved.json': name });
    expect(await adapter.cluster.readResolved(soon())).toHaveLength(resolvedConfigMaps.length);
    expect(lists(adapter, 'configmaps').map(({ query }) => [query['limit'], 'continue' in query])).toEqual([
      ['20', false],
      ['20', true],
      ['20', true],
    ]);
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    expect(watching.texts).toEqual({ stevedore: 'one' });
    expect(watching.resolved.at(-1)?.map(({ name }) => name)).toEqual(resolvedConfigMaps);
    expect(lists(adapter, 'configmaps')).toHaveLength(6);
  });

  test('a page whose snapshot is forgotten by now fails the list, and the watch begins again', async () => {
    const adapter = await startAdapter();
    for (let i = 0; i < 25; i += 1) put(adapter, `another-${i}`);
    let isForgotten = false;
    adapter.onAnswer = (asked) => {
      if (asked !== 'list configmaps 200' || isForgotten) return;
      isForgotten = true;
      put(adapter, 'late');
      adapter.server.compact();
    };
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    expect(watching.texts).toEqual({ stevedore: 'one' });
    expect(adapter.asked.filter((one) => one === 'list configmaps 410')).toHaveLength(1);
  });

  test('a list that brings nothing new tells nothing', async () => {
    const adapter = await startAdapter();
    put(adapter, first, { 'resolved.json': '{}' });
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    adapter.server.faults.answers.push({ answer: 410, verb: 'watch', resource: 'configmaps' });
    adapter.server.endWatches();
    await until(() => expect(lists(adapter, 'configmaps')).toHaveLength(2));
    put(adapter, first, { 'resolved.json': '{"new":1}' });
    await until(() => expect(watching.resolved.at(-1)?.[0]?.data).toEqual({ 'resolved.json': '{"new":1}' }));
    expect(watching.resolved).toHaveLength(2);
    expect(watching.configMaps).toHaveLength(1);
  });

  test('who does not want what was resolved is not told, and told the rest', async () => {
    const { server, cluster } = await startAdapter();
    server.put('configmaps', { metadata: { name: first, namespace } });
    const stop = new AbortController();
    const texts: (string | undefined)[] = [];
    const onConfigMaps = (all: readonly { readonly text: string | undefined }[]): void => {
      texts.push(...all.map(({ text }) => text));
    };
    const watching = cluster.watch({ onNode: () => {}, onConfigMaps, onContact: () => {} }, stop.signal);
    await until(() => expect(texts).toEqual(['one']));
    server.patch('configmaps', `${namespace}/${first}`, { data: { 'resolved.json': '{}' } });
    server.patch('configmaps', `${namespace}/stevedore`, { data: { 'config.yaml': 'two' } });
    await until(() => expect(texts).toEqual(['one', 'two']));
    stop.abort();
    await watching;
  });
});

describe('an update of what was resolved', () => {
  const metadata = {
    name: first,
    namespace,
    labels: { 'app.kubernetes.io/managed-by': 'Helm' },
    annotations: { 'meta.helm.sh/release-name': 'stevedore' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'u' }],
  };
  const find = (all: readonly ResolvedConfigMap[]): ResolvedConfigMap => {
    const [found] = all;
    if (found === undefined) throw new Error('there is none');
    return found;
  };

  test('leaves labels, annotations and owners as they are, each time anew', async () => {
    const { server, cluster } = await startAdapter();
    server.put('configmaps', { metadata });
    let resolved = find(await cluster.readResolved(soon()));
    for (const text of ['one', 'two', 'three']) {
      resolved = await cluster.updateResolved(resolved, { 'resolved.json': text }, soon());
      expect(server.get('configmaps', `${namespace}/${first}`)).toMatchObject({
        metadata,
        data: { 'resolved.json': text },
      });
    }
    // One list at the beginning: the answers say the rest.
    expect(server.requests.map(({ verb }) => verb)).toEqual(['list', 'update', 'update', 'update']);
  });

  test('of one that the watch has told needs no list, and takes a label that came meanwhile', async () => {
    const adapter = await startAdapter();
    const { server, cluster } = adapter;
    server.put('configmaps', { metadata });
    const watching = await startWatching(cluster);
    onTestFinished(() => watching.stop());
    server.patch('configmaps', `${namespace}/${first}`, { metadata: { labels: { late: 'yes' } } });
    await until(() => expect(watching.resolved).toHaveLength(2));
    await cluster.updateResolved(find(watching.resolved.at(-1) ?? []), { 'resolved.json': 'x' }, soon());
    expect(server.get('configmaps', `${namespace}/${first}`)?.metadata.labels).toEqual({
      'app.kubernetes.io/managed-by': 'Helm',
      late: 'yes',
    });
    expect(lists(adapter, 'configmaps')).toHaveLength(1);
  });

  test('of a version that was never seen asks once, and goes ahead only if it is that one', async () => {
    const adapter = await startAdapter();
    const { server, cluster } = adapter;
    server.put('configmaps', { metadata });
    const { resourceVersion = '' } = server.get('configmaps', `${namespace}/${first}`)?.metadata ?? {};
    await cluster.updateResolved({ name: first, resourceVersion }, { 'resolved.json': 'x' }, soon());
    expect(server.get('configmaps', `${namespace}/${first}`)).toMatchObject({ metadata });
    const stranger = { name: first, resourceVersion: '1' };
    await expectFailure(cluster.updateResolved(stranger, { 'resolved.json': 'y' }, soon()), 'other', 'conflict');
    expect(adapter.asked).toEqual(['list configmaps 200', 'update configmaps 200', 'list configmaps 200']);
  });

  test('of one that must not change says so', async () => {
    const { server, cluster } = await startAdapter();
    server.put('configmaps', { metadata, immutable: true });
    const resolved = find(await cluster.readResolved(soon()));
    await expectFailure(cluster.updateResolved(resolved, { 'resolved.json': 'x' }, soon()), 'other', 'invalid');
  });
});

test('Nodes come in pages, and only with their metadata', async () => {
  const adapter = await startAdapter();
  for (let i = 0; i < 1200; i += 1)
    adapter.server.put('nodes', { metadata: { name: `many-${i}`, labels: { i: `${i}` } } });
  const nodes = await adapter.cluster.listNodes(soon());
  expect(nodes).toHaveLength(1201);
  expect(nodes.find(({ name }) => name === 'many-777')).toEqual({ name: 'many-777', labels: { i: '777' } });
  expect(lists(adapter, 'nodes').map(({ query }) => [query['limit'], 'continue' in query])).toEqual([
    ['500', false],
    ['500', true],
    ['500', true],
  ]);
  for (const { accept } of lists(adapter, 'nodes')) expect(accept).toContain('as=PartialObjectMetadataList');
});

test('a review says why', async () => {
  const { cluster, server } = await startAdapter();
  const question = { group: '', resource: 'nodes', subresource: 'status', verb: 'patch' };
  expect(await cluster.reviewAccess(question, soon())).toEqual({ allowed: true, reason: 'RBAC: allowed' });
  server.rules.length = 0;
  expect(await cluster.reviewAccess(question, soon())).toEqual({ allowed: false, reason: '' });
});
