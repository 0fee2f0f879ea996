import { describe, expect, onTestFinished, test } from 'vitest';
import { startWatching, until, type Watching } from './helpers.ts';
import { type Adapter, type AdapterOptions, namespace, nodeName, startAdapter } from './setup.ts';

async function start(options: AdapterOptions = {}): Promise<Adapter & { readonly watching: Watching }> {
  const adapter = await startAdapter(options);
  const watching = await startWatching(adapter.cluster);
  onTestFinished(() => watching.stop());
  return Object.assign(adapter, { watching });
}

function change({ server }: Adapter, value: string): void {
  server.patch('nodes', nodeName, { metadata: { labels: { gpu: value } } });
  server.patch('configmaps', `${namespace}/stevedore`, { data: { 'config.yaml': value } });
}

async function expectSeen({ watching }: { readonly watching: Watching }, value: string): Promise<void> {
  await until(() => {
    expect(watching.node?.labels).toMatchObject({ gpu: value });
    expect(watching.texts).toEqual({ stevedore: value });
    expect(watching.contacts.at(-1)).toEqual({ live: true, problem: undefined });
  });
}

const lists = ({ asked }: Adapter): number => asked.filter((one) => /^list .* 200$/.test(one)).length;
const watches = ({ asked }: Adapter): number => asked.filter((one) => /^watch .* 200$/.test(one)).length;

describe('idle', () => {
  test('bookmarks keep it alive: two lists and two watches on one connection, and nothing more', async () => {
    const adapter = await start({ server: { bookmarkIntervalMs: 100 }, timings: { silentMs: 3_000 } });
    const began = performance.now();
    await until(() => expect(performance.now() - began).toBeGreaterThan(6_000));
    expect(adapter.asked.toSorted()).toEqual([
      'list configmaps 200',
      'list nodes 200',
      'watch configmaps 200',
      'watch nodes 200',
    ]);
    expect(adapter.server.connections.total).toBe(1);
    expect(adapter.watching.contacts).toEqual([{ live: true, problem: undefined }]);
    const { query } =
      adapter.server.requests.find(({ verb, resource }) => verb === 'watch' && resource === 'nodes') ?? {};
    expect(query).toMatchObject({ allowWatchBookmarks: 'true', fieldSelector: `metadata.name=${nodeName}` });
    expect(Number(query?.['timeoutSeconds'])).toBeGreaterThanOrEqual(40 * 60);
    expect(Number(query?.['timeoutSeconds'])).toBeLessThanOrEqual(60 * 60);
    change(adapter, 'after all');
    await expectSeen(adapter, 'after all');
  });

  test('the end of its time is no trouble: it goes on where it was', async () => {
    const adapter = await start({ timings: { shortestWatchSeconds: 1, longestWatchSeconds: 1 } });
    await until(() => expect(watches(adapter)).toBeGreaterThanOrEqual(4));
    change(adapter, 'later');
    await expectSeen(adapter, 'later');
    expect(lists(adapter)).toBe(2);
    expect(adapter.restarts).toEqual([]);
    expect(adapter.server.connections.total).toBe(1);
    expect(adapter.watching.contacts).toHaveLength(1);
  });
});

test('told to end, it leaves no watch open at the server', async () => {
  const adapter = await start();
  expect(adapter.server.watches).toHaveLength(2);
  await adapter.watching.stop();
  await until(() => expect(adapter.server.watches).toHaveLength(0));
});

describe('a watch that breaks', () => {
  test('ended early by the server: goes on where it was, and nothing is lost', async () => {
    const adapter = await start();
    adapter.server.endWatches();
    change(adapter, 'in between');
    await expectSeen(adapter, 'in between');
    expect(lists(adapter)).toBe(2);
    expect(adapter.restarts.toSorted()).toEqual(['configmaps', 'nodes']);
  });

  test('its connection is reset', async () => {
    const adapter = await start();
    adapter.server.cutConnections();
    change(adapter, 'in between');
    await expectSeen(adapter, 'in between');
    expect(lists(adapter)).toBe(2);
  });

  test('every state that it came through is not told again', async () => {
    const adapter = await start();
    change(adapter, 'first');
    change(adapter, 'second');
    await expectSeen(adapter, 'second');
    const told = adapter.watching.nodes.length;
    adapter.server.cutConnections();
    await until(() => expect(watches(adapter)).toBe(4));
    change(adapter, 'third');
    await expectSeen(adapter, 'third');
    expect(adapter.watching.nodes.slice(told).map((node) => node?.labels['gpu'])).toEqual(['third']);
  });

  test.each([500, 503, 429, 403])('is answered %i: waits and tries again', async (status) => {
    const adapter = await start();
    adapter.server.faults.answers.push({ answer: status, verb: 'watch', times: 3 });
    adapter.server.endWatches();
    change(adapter, 'in between');
    await expectSeen(adapter, 'in between');
    expect(adapter.asked.filter((one) => one.endsWith(` ${status}`))).toHaveLength(3);
    expect(adapter.watching.contacts).toContainEqual({ live: false, problem: expect.stringContaining(String(status)) });
  });

  test('is answered 410: lists again', async () => {
    const adapter = await start();
    adapter.server.faults.answers.push({ answer: 410, verb: 'watch', resource: 'nodes' });
    adapter.server.endWatches();
    change(adapter, 'in between');
    await expectSeen(adapter, 'in between');
    expect(lists(adapter)).toBe(3);
  });

  test('and is listed again: the Node is told as it is, also when that is what was told last', async () => {
    const adapter = await start();
    const told = adapter.watching.nodes.length;
    adapter.server.faults.answers.push({ answer: 410, verb: 'watch', resource: 'nodes' });
    adapter.server.endWatches();
    await until(() => expect(adapter.watching.nodes).toHaveLength(told + 1));
    expect(adapter.watching.node).toEqual(adapter.watching.nodes[0]);
  });

  test('its resourceVersion has expired: lists again, also what went away meanwhile', async () => {
    const adapter = await start();
    adapter.server.stop();
    adapter.server.delete('configmaps', `${namespace}/stevedore`);
    adapter.server.delete('nodes', nodeName);
    adapter.server.put('configmaps', { metadata: { name: 'unrelated', namespace } });
    adapter.server.compact();
    await adapter.server.start();
    await until(() => {
      expect(adapter.watching.nodes.at(-1)).toBeUndefined();
      expect(adapter.watching.configMaps.at(-1)).toEqual([]);
    });
    expect(lists(adapter)).toBe(4);
  });

  test('says nothing any more: is cut, and everything is listed again', async () => {
    const adapter = await start({ timings: { silentMs: 1_000 } });
    adapter.server.silenceWatches();
    change(adapter, 'unheard');
    await expectSeen(adapter, 'unheard');
    expect(adapter.watching.contacts).toContainEqual({ live: false, problem: expect.stringContaining('bookmarks') });
    expect(lists(adapter)).toBeGreaterThanOrEqual(4);
    // The silent ones are not left open.
    await until(() => expect(adapter.server.watches.length).toBeLessThanOrEqual(2));
  });

  test('opens and says nothing, as with a resourceVersion from the future', async () => {
    const adapter = await start({ timings: { silentMs: 1_000 } });
    adapter.server.faults.silent = true;
    adapter.server.endWatches();
    await until(() => expect(adapter.watching.contacts.at(-1)?.live).toBe(false));
    change(adapter, 'unheard');
    adapter.server.faults.silent = false;
    await expectSeen(adapter, 'unheard');
  });
});

describe('a list that fails', () => {
  test.each([500, 429, 403, 'cut'] as const)('%s: waits and tries again', async (answer) => {
    const adapter = await startAdapter();
    adapter.server.faults.answers.push({ answer, verb: 'list', resource: 'nodes', times: 3 });
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    expect(watching.node?.labels).toEqual({ gpu: 'yes' });
    expect(watching.contacts[0]).toMatchObject({ live: false });
    expect(watching.contacts).toHaveLength(2);
  });
});

describe('a server that is away', () => {
  test('for a while: says so once, and catches up with what happened meanwhile', async () => {
    const adapter = await start();
    adapter.server.stop();
    await until(() => expect(adapter.watching.contacts.at(-1)).toMatchObject({ live: false }));
    change(adapter, 'meanwhile');
    adapter.server.delete('nodes', nodeName);
    adapter.server.put('nodes', { metadata: { name: nodeName, labels: { gpu: 'meanwhile' } } });
    await until(() => expect(adapter.restarts.length).toBeGreaterThanOrEqual(6));
    expect(adapter.watching.contacts).toHaveLength(2);
    await adapter.server.start();
    await expectSeen(adapter, 'meanwhile');
  });

  test('and comes back as a new process', async () => {
    const adapter = await start();
    await adapter.server.restart();
    change(adapter, 'in between');
    await expectSeen(adapter, 'in between');
  });

  test('from the start', async () => {
    const adapter = await startAdapter();
    adapter.server.stop();
    const pending = startWatching(adapter.cluster);
    await until(() => expect(adapter.asked.length).toBeGreaterThanOrEqual(4));
    await adapter.server.start();
    const watching = await pending;
    onTestFinished(() => watching.stop());
    expect(watching.node?.labels).toEqual({ gpu: 'yes' });
  });

  test('takes connections and shakes no hands', async () => {
    const adapter = await start({ timeouts: { connectMs: 1_000, headersMs: 1_000, totalMs: 3_000 } });
    adapter.server.faults.hangConnections = true;
    adapter.server.cutConnections();
    change(adapter, 'unheard');
    await until(() => expect(adapter.restarts.length).toBeGreaterThanOrEqual(4));
    expect(adapter.watching.contacts.at(-1)).toMatchObject({ live: false });
    adapter.server.faults.hangConnections = false;
    await expectSeen(adapter, 'unheard');
  });

  test('reads requests and answers none', async () => {
    const adapter = await start({ timeouts: { connectMs: 1_000, headersMs: 1_000, totalMs: 3_000 } });
    adapter.server.faults.hang = true;
    adapter.server.endWatches();
    change(adapter, 'unheard');
    await until(() => expect(adapter.restarts.length).toBeGreaterThanOrEqual(4));
    adapter.server.faults.hang = false;
    await expectSeen(adapter, 'unheard');
  });
});
