import { describe, expect, onTestFinished, test } from 'vitest';
import { type Permission, permissions } from '../../../agent/cluster/permissions.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { expectFailure, soon, startWatching } from './helpers.ts';
import { type Adapter, nodeName, startAdapter } from './setup.ts';

const taint = { key: 'startup', effect: 'NoSchedule' };
const event = { type: 'Normal', reason: 'ImageSetReady', action: 'Pull', note: 'all here' } as const;
const emptyPatch = { labels: { 'image-set.stevedore.dev/a': 'ready' }, condition: undefined };

function putNode({ server }: Adapter, taints: readonly { key: string; effect: string }[]): void {
  server.put('nodes', { metadata: { name: nodeName }, spec: { taints: [...taints] } });
}

test('what is asked for is exactly what the table of permissions has', async () => {
  const adapter = await startAdapter();
  const { cluster } = adapter;
  putNode(adapter, [taint]);
  const watching = await startWatching(cluster);
  await watching.stop();
  await cluster.read(soon());
  await cluster.patchNodeStatus(emptyPatch, soon());
  expect(await cluster.removeTaint('startup', soon())).toBe('removed');
  await cluster.updateLease(await cluster.createLease('stevedore-pull-0', 'a', 60, soon()), 'b', 60, soon());
  await cluster.listLeases('stevedore-pull-', soon());
  await cluster.getLease('stevedore-pull-0', soon());
  adapter.server.put('configmaps', { metadata: { name: resolvedConfigMaps[0], namespace: 'stevedore' } });
  for (const one of await cluster.readResolved(soon())) await cluster.updateResolved(one, {}, soon());
  await cluster.listNodes(soon());
  await cluster.reviewAccess({ group: '', resource: 'nodes', verb: 'list' }, soon());
  await cluster.createEvent(event, soon());

  const scopes: Readonly<Record<string, string | undefined>> = { namespace: 'stevedore', default: 'default' };
  const allowed = permissions.flatMap(({ group, resource, subresource, verbs, scope }: Permission) => {
    const word = subresource === undefined ? resource : `${resource}/${subresource}`;
    return verbs.map((verb) => [verb, group, word, scopes[scope]].join(' '));
  });
  const asked = adapter.server.requests.map(({ verb, group, resource, subresource, namespace }) =>
    [verb, group, subresource === undefined ? resource : `${resource}/${subresource}`, namespace].join(' '),
  );
  expect([...new Set(asked)].toSorted()).toEqual(allowed.toSorted());
  expect(new Set(adapter.asked.map((one) => one.split(' ')[1]))).toEqual(
    new Set(['nodes', 'nodes/status', 'configmaps', 'leases', 'events', 'selfsubjectaccessreviews']),
  );
});

test('all of it goes over one connection, at the same time too', async () => {
  const adapter = await startAdapter();
  const watching = await startWatching(adapter.cluster);
  onTestFinished(() => watching.stop());
  await Promise.all(Array.from({ length: 20 }, () => adapter.cluster.patchNodeStatus(emptyPatch, soon())));
  expect(adapter.server.connections.total).toBe(1);
});

describe('what the API server answers', () => {
  test.each([
    [400, 'other', 'invalid'],
    [404, 'not_found', undefined],
    [409, 'other', 'conflict'],
    [422, 'other', 'invalid'],
    [429, 'rate_limited', undefined],
    [500, 'other', undefined],
    [503, 'other', undefined],
    [504, 'timeout', undefined],
  ] as const)('%i is a Failure %s %s', async (status, code, detail) => {
    const { cluster, server, asked } = await startAdapter();
    server.faults.answers.push({ answer: status });
    const failure = await expectFailure(cluster.listLeases('', soon()), code, detail);
    expect(failure.message).toContain(String(status));
    expect(asked).toEqual([`list leases ${status}`]);
  });

  test('a refusal comes with what the server says of it', async () => {
    const { cluster, server } = await startAdapter();
    server.rules.length = 0;
    const failure = await expectFailure(cluster.patchNodeStatus(emptyPatch, soon()), 'auth', 'forbidden');
    expect(failure.message).toContain('cannot patch resource "nodes/status"');
  });

  test('how long to wait', async () => {
    const { cluster, server } = await startAdapter();
    server.faults.answers.push({ answer: 429 });
    const failure = await expectFailure(cluster.listLeases('', soon()), 'rate_limited');
    expect(failure.retryAfterMs).toBe(1_000);
  });
});

describe('no answer', () => {
  test('the connection is reset', async () => {
    const { cluster, server, asked } = await startAdapter();
    server.faults.answers.push({ answer: 'cut' });
    await expectFailure(cluster.listLeases('', soon()), 'network');
    expect(asked).toEqual(['list leases error']);
    expect(await cluster.listLeases('', soon())).toEqual([]);
  });

  test('nobody listens', async () => {
    const { cluster, server } = await startAdapter();
    server.stop();
    await expectFailure(cluster.listLeases('', soon()), 'network');
  });

  test.each(['hang', 'hangConnections'] as const)('none comes: %s', async (fault) => {
    const { cluster, server } = await startAdapter({
      timeouts: { connectMs: 1_000, headersMs: 1_000, totalMs: 3_000 },
    });
    server.faults[fault] = true;
    await expectFailure(cluster.listLeases('', soon()), 'timeout');
    server.faults[fault] = false;
    expect(await cluster.listLeases('', soon())).toEqual([]);
  });

  test('one request that hangs breaks no watch', async () => {
    const adapter = await startAdapter({ timeouts: { connectMs: 1_000, headersMs: 1_000, totalMs: 10_000 } });
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    adapter.server.faults.answers.push({ answer: 'hang', verb: 'patch' });
    await expectFailure(adapter.cluster.patchNodeStatus(emptyPatch, soon()), 'timeout');
    await adapter.cluster.patchNodeStatus(emptyPatch, soon());
    expect(adapter.restarts).toEqual([]);
    expect(watching.contacts).toHaveLength(1);
  });

  test('an abort ends a request that hangs, with its own reason', async () => {
    const { cluster, server } = await startAdapter();
    server.faults.hang = true;
    const stop = new AbortController();
    const reason = new Error('enough');
    const pending = cluster.listLeases('', stop.signal);
    setTimeout(() => stop.abort(reason), 50);
    await expect(pending).rejects.toBe(reason);
  });
});

describe('a taint whose place moves between reading and removing', () => {
  test('is removed all the same, and nothing that came meanwhile is lost', async () => {
    const adapter = await startAdapter();
    putNode(adapter, [taint]);
    let moves = 3;
    adapter.onAnswer = (asked) => {
      if (asked !== 'get nodes 200' || moves === 0) return;
      moves -= 1;
      const others = Array.from({ length: 3 - moves }, (_none, i) => ({ key: `other-${i}`, effect: 'NoSchedule' }));
      putNode(adapter, [...others, taint]);
    };
    expect(await adapter.cluster.removeTaint('startup', soon())).toBe('removed');
    expect(adapter.server.get('nodes', nodeName)?.spec?.taints?.map(({ key }) => key)).toEqual([
      'other-0',
      'other-1',
      'other-2',
    ]);
    expect(adapter.asked.filter((one) => one === 'patch nodes 422')).toHaveLength(3);
  });

  test('somebody else removed it', async () => {
    const adapter = await startAdapter();
    putNode(adapter, [taint]);
    adapter.onAnswer = () => putNode(adapter, []);
    expect(await adapter.cluster.removeTaint('startup', soon())).toBe('absent');
  });

  test('for ever: gives up', async () => {
    const adapter = await startAdapter();
    putNode(adapter, [taint]);
    let moves = 0;
    adapter.onAnswer = () => {
      moves += 1;
      putNode(adapter, moves % 2 === 0 ? [taint] : [{ key: 'other', effect: 'NoSchedule' }, taint]);
    };
    await expectFailure(adapter.cluster.removeTaint('startup', soon()), 'other', 'invalid');
  });
});

describe('Events', () => {
  test.each([
    ['as long as it may be', 'é'.repeat(512), 'é'.repeat(512)],
    ['too long by one byte', `${'é'.repeat(512)}x`, `${'é'.repeat(510)}…`],
  ])('a note %s', async (_case, note, stored) => {
    const { cluster, server } = await startAdapter();
    await cluster.createEvent({ ...event, note }, soon());
    const [only] = server.list('events');
    expect(only?.note).toBe(stored);
    expect(Buffer.byteLength(stored)).toBeLessThanOrEqual(1024);
  });

  test('two at once have two names', async () => {
    const { cluster, server } = await startAdapter();
    await Promise.all([cluster.createEvent(event, soon()), cluster.createEvent(event, soon())]);
    expect(server.list('events')).toHaveLength(2);
  });
});
