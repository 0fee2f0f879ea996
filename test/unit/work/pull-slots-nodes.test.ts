import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { FakeNode, type FakeNodeOptions } from '../../fakes/fake-node.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const [a, b] = ['reg.example/a:1', 'reg.example/b:1'] as const;
const minute = 60_000;
const never = new AbortController().signal;
let api: FakeApi;
let nodes: FakeNode[];

beforeEach(() => {
  vi.useFakeTimers();
  api = new FakeApi();
  nodes = [];
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  vi.useRealTimers();
});

type Prefetch = Parameters<typeof sampleConfiguration>[1];

function start(
  nodeName: string,
  prefetch: Prefetch,
  { images = [a, b], gate = false, ...options }: FakeNodeOptions & { images?: readonly string[]; gate?: boolean } = {},
): { readonly node: FakeNode; readonly cluster: FakeCluster } {
  const cluster = new FakeCluster(nodeName, { api });
  const node = new FakeNode({ leases: cluster, nodeName, ...options });
  for (const reference of [a, b]) node.runtime.registry.add(reference, { layers: [1_000] });
  node.reconciler.setNode(standaloneNode(nodeName, {}));
  node.configure(sampleConfiguration([sampleSet('s', images, { gate })], prefetch));
  void node.start();
  nodes.push(node);
  return { node, cluster };
}

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const holders = () => api.leases().flatMap(({ holder }) => (holder === '' ? [] : [holder]));
const held = async (node: FakeNode) => (await node.runtime.listImages(never)).flatMap(({ tags }) => tags).toSorted();

describe('nodes that want the same images', () => {
  test('pull no more than maxNodes at a time, each holds its slot until it is done, and all are served', async () => {
    const all = Array.from({ length: 5 }, (_, index) => start(`n${index}`, { maxNodes: 2 }, { unpackMs: 30_000 }).node);
    let most = 0;
    for (let step = 0; step < 20 * 60 && nodes.some(({ recorder }) => recorder.pulls.length < 2); step += 1) {
      await pass(1_000);
      most = Math.max(most, all.filter(({ runtime }) => runtime.pulling.length > 0).length);
      expect(holders().length).toBeLessThanOrEqual(2);
    }
    expect(most).toBe(2);
    for (const node of all) expect(await held(node)).toEqual([a, b]);
    await pass(2_000);
    expect(holders()).toEqual([]);
    for (const { recorder } of all) expect(recorder.slotWaits).toHaveLength(1);
  });

  test('say what they wait for', async () => {
    api.setLease({ name: 'stevedore-pull-0', holder: 'other', durationSeconds: 86_400, renewedAt: 0 });
    const { node } = start('n1', { maxNodes: 1 });
    await pass(minute);
    expect(node.recorder.waiting.get('slot')).toBe(2);
    expect(node.reconciler.plan?.waiting).toMatchObject([
      { reason: 'slot', message: expect.stringContaining('prefetch.maxNodes') },
      { reason: 'slot' },
    ]);
    expect(await held(node)).toEqual([]);
  });
});

describe('no slot is taken', () => {
  test('for images that are here', async () => {
    const { node, cluster } = start('n1', { maxNodes: 1 });
    await pass(minute);
    expect(await held(node)).toEqual([a, b]);
    const { length } = cluster.calls;
    await pass(60 * minute);
    expect(cluster.calls).toHaveLength(length);
  });

  test('by a dry run, nor by a plan', async () => {
    const { node, cluster } = start('n1', { maxNodes: 1, dryRun: true });
    await pass(minute);
    expect(node.reconciler.plan?.pulls).toHaveLength(2);
    expect((await node.reconciler.planOnly(never))?.pulls).toHaveLength(2);
    expect(cluster.calls).toEqual([]);
  });

  test('for images that wait for something else', async () => {
    const { node, cluster } = start('n1', { maxNodes: 1 }, { images: [] });
    node.runtime.failPull(a, new Failure('not_found', 'no such tag'));
    node.configure(sampleConfiguration([sampleSet('s', [a])], { maxNodes: 1 }));
    await pass(2_000);
    expect(node.recorder.failures).toEqual(['not_found']);
    expect(holders()).toEqual([]);
    const { length } = cluster.calls;
    await pass(4 * minute);
    expect(cluster.calls).toHaveLength(length);
  });
});

describe('the slot is given back', () => {
  test('when the runtime goes away or the node holds pulls back', async () => {
    const { node } = start('n1', { maxNodes: 1 });
    node.runtime.holdPull(a, 100);
    await pass(2_000);
    expect(holders()).toEqual(['n1']);
    node.reconciler.setNode({ ...standaloneNode('n1', {}), unschedulable: true });
    await pass(1_000);
    expect(holders()).toEqual([]);
    node.reconciler.setNode(standaloneNode('n1', {}));
    await pass(2_000);
    expect(holders()).toEqual(['n1']);
    node.runtime.goAway();
    await pass(1_000);
    expect(holders()).toEqual([]);
  });
});

test('a round by hand waits for a slot, and is not over before', async () => {
  api.setLease({ name: 'stevedore-pull-0', holder: 'other', durationSeconds: 60, renewedAt: 0 });
  const { node } = start('n1', { maxNodes: 1 });
  await pass(1_000);
  let outcome: string | undefined;
  void node.reconciler
    .pullRound(() => undefined, never)
    .then((ended) => {
      outcome = ended;
    });
  await pass(30_000);
  expect(outcome).toBeUndefined();
  await pass(3 * minute);
  expect(outcome).toBe('success');
});

test('gated images go without a slot once half of the deadline is over', async () => {
  api.setLease({ name: 'stevedore-pull-0', holder: 'other', durationSeconds: 86_400, renewedAt: 0 });
  const { node } = start('n1', { maxNodes: 1 }, { gate: true });
  node.gatedGoAt = Date.now() + 7 * minute;
  await pass(7 * minute - 1_000);
  expect(await held(node)).toEqual([]);
  await pass(2_000);
  expect(await held(node)).toEqual([a, b]);
});
