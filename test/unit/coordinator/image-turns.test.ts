import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { WarmOrder, WarmResult } from '../../../agent/coordinator/warm-events.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { host, WarmWorld } from './warm-world.ts';

const minute = 60_000;
const never = new AbortController().signal;
let world: WarmWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new WarmWorld();
  world.settings = { ...world.settings, maxParallel: 2 };
});

afterEach(() => vi.useRealTimers());

/** Cold images, each with a layer that takes so long; Harbor has the manifests as soon as the blobs are there. */
function addImages(count: number, fillMs: number) {
  return Array.from({ length: count }, (_, at) => {
    const reference = `${host}/hub/image-${at}:1`;
    const index = world.addCold([1_000], { reference, fillMs });
    const { children: _children, ...order } = world.order(index, { reference, platforms: ['linux/amd64'] });
    return { reference, index, order };
  });
}

function warmAll(orders: readonly WarmOrder[]) {
  const results: WarmResult[] = [];
  for (const order of orders) void world.warmer.warm(order, () => undefined, never).then((one) => results.push(one));
  return results;
}

const read = () => world.source.calls.filter(({ method }) => method === 'readImage').map(({ reference }) => reference);

test('the manifests of no more than maxParallel images are asked for before their blobs are local', async () => {
  const images = addImages(5, 80_000);
  for (const { index, reference } of images) world.store(index, reference);
  const results = warmAll(images.map(({ order }) => order));
  await vi.advanceTimersByTimeAsync(minute);
  expect(read()).toEqual([images[0]?.reference, images[1]?.reference]);
  await vi.advanceTimersByTimeAsync(30 * minute);
  expect(results.map(({ outcome }) => outcome)).toEqual(images.map(() => 'warm'));
  expect(read()).toEqual(images.map(({ reference }) => reference));
});

test('an image that only waits for Harbor to store its manifests lets the next one begin', async () => {
  world.settings = { ...world.settings, maxParallel: 1 };
  const images = addImages(2, 0);
  warmAll(images.map(({ order }) => order));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(read()).toHaveLength(2);
});

test('the deadline counts from when the turn came', async () => {
  world.settings = { ...world.settings, maxParallel: 1, deadlineMs: 10 * minute };
  const images = addImages(4, 2 * minute);
  for (const { index, reference } of images) world.store(index, reference);
  const results = warmAll(images.map(({ order }) => order));
  await vi.advanceTimersByTimeAsync(40 * minute);
  expect(results.map(({ outcome }) => outcome)).toEqual(images.map(() => 'warm'));
  expect(Math.max(...results.map(({ seconds }) => seconds))).toBeLessThan(600);
});

test('an upstream that does not answer for one image holds up no other while it is waited for', async () => {
  world.settings = { ...world.settings, maxParallel: 1, deadlineMs: 10 * minute };
  const [gone, there] = addImages(2, 0);
  if (gone === undefined || there === undefined) throw new Error('two images');
  world.store(there.index, there.reference);
  world.source.remove(gone.reference);
  world.source.faults.fail(gone.reference, new Failure('upstream', '503'), 1_000);
  const results = warmAll([gone.order, there.order]);
  await vi.advanceTimersByTimeAsync(minute);
  expect(results).toMatchObject([{ outcome: 'warm' }]);
  await vi.advanceTimersByTimeAsync(10 * minute);
  expect(results).toMatchObject([{ outcome: 'warm' }, { outcome: 'given_up' }]);
});

test('an image that got warm while it waited for its turn is not asked for', async () => {
  world.settings = { ...world.settings, maxParallel: 1 };
  const [first, second] = addImages(2, 2 * minute);
  if (first === undefined || second === undefined) throw new Error('two images');
  world.store(first.index, first.reference);
  const digest = second.index.children[0]?.digest ?? '';
  const results = warmAll([first.order, { ...second.order, children: new Map([['linux/amd64', digest]]) }]);
  await vi.advanceTimersByTimeAsync(minute);
  world.store(second.index, second.reference);
  await vi.advanceTimersByTimeAsync(10 * minute);
  expect(results).toMatchObject([{ outcome: 'warm' }, { outcome: 'warm' }]);
  expect(read()).toEqual([first.reference]);
});

test('what waits for its turn ends at once with an abort', async () => {
  world.settings = { ...world.settings, maxParallel: 1 };
  const [first, second] = addImages(2, 2 * minute);
  if (first === undefined || second === undefined) throw new Error('two images');
  warmAll([first.order]);
  const stop = new AbortController();
  const waiting = world.warmer.warm(second.order, () => undefined, stop.signal);
  await vi.advanceTimersByTimeAsync(1_000);
  stop.abort();
  expect((await waiting).outcome).toBe('aborted');
});
