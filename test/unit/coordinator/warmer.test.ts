import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { host, name, WarmWorld } from './warm-world.ts';

const Mi = 1024 * 1024;
const minute = 60_000;
let world: WarmWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new WarmWorld();
});

afterEach(() => vi.useRealTimers());

describe('a cold image', () => {
  test('is warm once every blob is local and Harbor has stored its children; each blob is opened once', async () => {
    const index = world.addCold([1_000, 5 * Mi]);
    world.storeIn(20_600, index);
    const { outcome, bytes, seconds } = await world.warmed(world.order(index));
    expect(outcome).toBe('warm');
    // Two shared layers; a config and an own layer of each platform.
    expect(bytes).toBe(1_000 + 5 * Mi + 2 * 800);
    expect(seconds).toBeGreaterThan(20.6);
    expect(seconds).toBeLessThan(30);
    expect(world.count('touchBlob')).toBe(6);
    expect(world.count('discardBlob')).toBe(0);
    expect(world.count('readImage')).toBe(1);
    expect(world.recorder.warmings).toEqual([{ outcome: 'warm', bytes }]);
    expect(world.kinds('blob_warm')).toHaveLength(6);
    expect(world.kinds('child_warm')).toHaveLength(2);
  });

  test('whose blobs are local in part: only the others are opened, the smallest first', async () => {
    const index = world.addCold([3_000, 1_000, 2_000], { fillMs: 0 });
    const [own] = index.children[0]?.layers.slice(-1) ?? [];
    world.source.chill(name, own?.digest ?? '', 'touch', -1);
    world.settings = { ...world.settings, maxParallel: 1 };
    world.storeIn(1_000, index);
    const layers = index.children[0]?.layers ?? [];
    const third = layers[2]?.digest ?? '';
    await world.source.touchBlob(
      { registry: host, repository: 'hub/library/busybox', tag: undefined, digest: undefined },
      third,
      [],
      new AbortController().signal,
    );
    world.source.calls.length = 0;
    await world.warmed(
      world.order(index, {
        platforms: ['linux/amd64'],
        children: new Map([['linux/amd64', index.children[0]?.digest ?? '']]),
      }),
    );
    const opened = world.source.calls.filter(({ method }) => method === 'touchBlob').map(({ digest }) => digest);
    expect(opened).toEqual([index.children[0]?.config.digest, own?.digest, layers[1]?.digest, layers[0]?.digest]);
  });

  test('that Harbor holds already is not asked for at all', async () => {
    const index = world.addCold([1_000]);
    world.store(index);
    expect((await world.warmed(world.order(index))).outcome).toBe('warm');
    expect(world.source.calls).toEqual([]);
  });

  test('never has more blobs in work than maxParallel, over all images', async () => {
    world.settings = { ...world.settings, maxParallel: 2 };
    const orders = ['a', 'b', 'c'].map((one) => {
      const reference = `${host}/hub/${one}:1`;
      const index = world.addCold([1_000, 2_000], { reference, fillMs: 5_000 });
      world.store(index, reference);
      const { children: _children, ...order } = world.order(index, { reference });
      return order;
    });
    let inWork = 0;
    let most = 0;
    const running = orders.map((order) =>
      world.warmer.warm(
        order,
        ({ kind }) => {
          inWork += kind === 'blob_begun' ? 1 : kind === 'blob_warm' ? -1 : 0;
          most = Math.max(most, inWork);
        },
        new AbortController().signal,
      ),
    );
    for (let second = 0; second < 300; second += 1) await vi.advanceTimersByTimeAsync(1_000);
    expect((await Promise.all(running)).map(({ outcome }) => outcome)).toEqual(['warm', 'warm', 'warm']);
    expect(most).toBe(2);
  });

  test('begins no more blobs in a minute than maxPerMinute', async () => {
    world.settings = { ...world.settings, maxPerMinute: 2 };
    const index = world.addCold([1_000, 2_000], { fillMs: 0 });
    world.store(index);
    const { children: _children, ...order } = world.order(index);
    const { seconds } = await world.warmed(order);
    expect(seconds).toBeGreaterThanOrEqual(120);
    expect(seconds).toBeLessThan(180);
  });

  test('that two orders ask for at the same time is fetched once', async () => {
    const index = world.addCold([1_000], { fillMs: 10_000 });
    world.store(index);
    const { children: _children, ...order } = world.order(index);
    const both = [world.warm(order), world.warm(order)];
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['warm', 'warm']);
    expect(world.count('touchBlob')).toBe(5);
  });
});

describe('the child manifests', () => {
  test('are waited for by a robot that may not read artifacts as long as Harbor takes, which is said', async () => {
    world.username = 'puller';
    const index = world.addCold([1_000]);
    const { outcome, seconds } = await world.warmed(world.order(index));
    expect(outcome).toBe('warm');
    expect(seconds).toBeGreaterThan(20);
    expect(world.kinds('child_warm')).toMatchObject([{ certain: false }, { certain: false }]);
  });

  /** A layer that takes four minutes, longer than Harbor looks for it. */
  function addSlow() {
    const index = world.addCold([1024 * Mi], { fillMs: 0 });
    world.source.chill(name, index.children[0]?.layers[0]?.digest ?? '', 'touch', 4 * minute);
    return index;
  }
  const readsOfChildren = () =>
    world.source.calls.filter(({ method, reference }) => method === 'readImage' && reference.includes('@')).length;

  test('are asked for again where Harbor has stopped looking before the last blob was local', async () => {
    const index = addSlow();
    const running = world.warmed(world.order(index));
    world.storeIn(4 * minute + 30_000, index);
    const { outcome, seconds } = await running;
    expect(outcome).toBe('warm');
    expect(seconds).toBeLessThan(280);
    // Of the first child: by then the other is there as well.
    expect(readsOfChildren()).toBe(1);
  });

  test('are asked for again so by a robot that may not look, too', async () => {
    world.username = 'puller';
    const { outcome } = await world.warmed(world.order(addSlow()));
    expect(outcome).toBe('warm');
    expect(readsOfChildren()).toBe(2);
  });

  test('are asked for again, and in the end given up, where Harbor does not store them', async () => {
    world.settings = { ...world.settings, deadlineMs: 10 * minute };
    const { outcome, failure } = await world.warmed(world.order(world.addCold([1_000])));
    expect(outcome).toBe('given_up');
    expect(failure?.message).toMatch(/does not store the manifest/);
    expect(readsOfChildren()).toBeGreaterThanOrEqual(3);
  });
});
