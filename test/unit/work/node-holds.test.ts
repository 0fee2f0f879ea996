import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type NodeState, standaloneNode } from '../../../agent/core/node-state.ts';
import { FakeNode, type FakeNodeOptions } from '../../fakes/fake-node.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const [a, b] = ['reg.example/a:1', 'reg.example/b:1'] as const;
const minute = 60_000;
const plain = standaloneNode('n1', {});
const paused: NodeState = { ...plain, annotations: { 'stevedore.dev/pause': 'pull' } };
const condition = { type: 'DiskPressure', status: 'True', reason: '', message: '' };
const pressed: NodeState = {
  ...plain,
  conditions: [{ ...condition, lastHeartbeatAt: undefined, lastTransitionAt: undefined }],
};
let node: FakeNode;

beforeEach(() => {
  vi.useFakeTimers();
  begin();
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

function begin(options: FakeNodeOptions = {}): void {
  node = new FakeNode(options);
  for (const reference of [a, b]) node.runtime.registry.add(reference, { layers: [1_000] });
  void node.start();
}

function want(images: readonly string[], prefetch: Parameters<typeof sampleConfiguration>[1] = {}): void {
  node.configure(sampleConfiguration([sampleSet('s', images)], prefetch));
}

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

async function held(): Promise<string[]> {
  const images = await node.runtime.listImages(new AbortController().signal);
  return images.flatMap(({ tags }) => tags).toSorted();
}

describe('a node that holds pulls back', () => {
  test.each([
    ['paused by its annotation', paused, 'paused', 'pause'],
    ['cordoned', { ...plain, unschedulable: true }, 'paused', 'drain'],
    ['short of disk', pressed, 'pressure', 'pressure'],
  ] as const)(
    '%s: what runs stops at once, nothing begins, and it goes on where it was',
    async (_, state, wait, hold) => {
      node.reconciler.setNode(plain);
      node.runtime.holdPull(a, 600);
      want([a, b], { concurrency: 1 });
      await pass();
      expect(node.runtime.pulling).toEqual([a]);
      node.runtime.hanging.add('listImages');
      node.reconciler.setNode(state);
      await pass(10);
      expect(node.runtime.pulling).toEqual([]);
      expect(node.recorder.holds).toEqual({ pull: hold, prune: undefined });
      node.runtime.hanging.clear();
      want([a, b], { concurrency: 1 });
      await pass(10 * minute);
      expect(node.recorder.waiting.get(wait)).toBe(2);
      expect(await held()).toEqual([]);
      node.runtime.releasePull(a);
      node.reconciler.setNode(plain);
      await pass();
      expect(await held()).toEqual([a, b]);
      expect(node.recorder.holds.pull).toBeUndefined();
    },
  );

  test('keeps what it has, pins and all', async () => {
    node.reconciler.setNode(plain);
    want([a]);
    await pass();
    const pins = node.recorder.pinned;
    expect(pins).toBeGreaterThan(0);
    node.reconciler.setNode({ ...plain, annotations: { 'stevedore.dev/pause': 'all' } });
    await pass(10 * minute);
    expect(node.recorder.pinned).toBe(pins);
    expect(await held()).toEqual([a]);
  });

  test('a change that bears on no pull causes no look', async () => {
    node.reconciler.setNode(plain);
    want([a]);
    await pass(10_000);
    const { looks, outdated } = node;
    node.reconciler.setNode({ ...plain, labels: { 'image-set.stevedore.dev/s': 'ready' } });
    await pass(10_000);
    expect(node.looks).toBe(looks);
    expect(node.outdated).toBe(outdated);
    node.reconciler.setNode({ ...plain, labels: { other: 'label' } });
    await pass(10_000);
    expect(node.looks).toBeGreaterThan(looks);
    expect(node.outdated).toBe(outdated + 1);
  });
});

describe('after each look', () => {
  test('the state of the selected sets is told', async () => {
    node.reconciler.setNode(plain);
    node.runtime.holdPull(b, 600);
    want([a, b]);
    await pass(minute);
    expect(node.looked?.sets).toMatchObject([{ name: 's', images: 2, missing: [{ reference: b, why: 'running' }] }]);
    node.runtime.releasePull(b);
    await pass(minute);
    expect(node.looked?.sets).toMatchObject([{ name: 's', images: 2, missing: [] }]);
    expect(node.looked?.plan.present).toHaveLength(2);
  });

  test('images that vanished together are one event', async () => {
    node.reconciler.setNode(plain);
    want([a, b]);
    await pass();
    node.runtime.vanish(a);
    node.runtime.vanish(b);
    await pass(minute);
    expect(node.events).toEqual([{ kind: 'images_lost', references: [a, b] }]);
  });
});

describe('prefetch.spreadOver', () => {
  test('delays what is missing, also what vanished, and never what a person asks for', async () => {
    const hour = 60 * minute;
    node.reconciler.setNode(plain);
    want([a], { spreadOverMs: hour });
    await pass(1_000);
    const until = node.reconciler.plan?.waiting[0]?.until ?? 0;
    expect(node.recorder.waiting.get('slot')).toBe(1);
    expect(node.asked).toEqual([]);
    await pass(until - Date.now() - 1_000);
    expect(await held()).toEqual([]);
    await pass(2_000);
    expect(await held()).toEqual([a]);
    node.runtime.vanish(a);
    await pass(10_000);
    expect(node.recorder.waiting.get('slot')).toBe(1);
    const round = node.reconciler.pullRound(() => undefined, new AbortController().signal);
    await pass(1_000);
    expect(await round).toBe('success');
    expect(await held()).toEqual([a]);
  });
});
