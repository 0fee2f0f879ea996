import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { host, image, name, WarmWorld } from './warm-world.ts';

const Mi = 1024 * 1024;
const minute = 60_000;
let world: WarmWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new WarmWorld();
});

afterEach(() => vi.useRealTimers());

describe('what goes wrong', () => {
  test('a cache that does not fill in time is asked once more, and then read through, which is said', async () => {
    const index = world.addCold([1_000], { rule: 'read' });
    world.store(index);
    const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
    expect((await world.warmed(order)).outcome).toBe('warm');
    expect(world.count('touchBlob')).toBe(6);
    expect(world.count('discardBlob')).toBe(3);
    expect(world.kinds('fallback')).toHaveLength(3);
    expect(world.kinds('blob_warm')).toMatchObject([{ how: 'read' }, { how: 'read' }, { how: 'read' }]);
  });

  test('a large blob has time in proportion to its size before it is asked for again', async () => {
    const index = world.addCold([4096 * Mi], { fillMs: 25 * minute });
    world.store(index);
    const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
    await world.warmed(order);
    const large = index.children[0]?.layers[0]?.digest;
    expect(world.source.calls.filter(({ method, digest }) => method === 'touchBlob' && digest === large)).toHaveLength(
      1,
    );
  });

  test('a gateway that reads whole bodies first is not asked for the rest: Harbor fetches by itself', async () => {
    const index = world.addCold([1_000, 2_000, 3_000], { fillMs: 0 });
    world.store(index);
    world.settings = { ...world.settings, maxParallel: 1 };
    const touch = world.source.touchBlob.bind(world.source);
    world.source.touchBlob = async (...asked) => ({ ...(await touch(...asked)), headersMs: 12_000 });
    const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
    const running = world.warm(order);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(world.count('touchBlob')).toBe(1);
    expect(world.kinds('fallback')).toHaveLength(1);
    // Harbor's own fetch.
    for (const { digest } of index.children[0]?.layers ?? []) world.source.chill(name, digest, 'touch', 0);
    const left = index.children[0]?.layers ?? [];
    for (const { digest } of left) {
      await touch(
        { registry: host, repository: 'hub/library/busybox', tag: undefined, digest: undefined },
        digest,
        [],
        new AbortController().signal,
      );
    }
    await vi.advanceTimersByTimeAsync(minute);
    expect((await running).outcome).toBe('warm');
    expect(world.kinds('blob_warm').filter((event) => 'how' in event && event.how === 'fetched')).toHaveLength(4);
    expect(world.count('discardBlob')).toBe(0);
  });

  test('with the method manifest blobs are read through only when Harbor fetches nothing by itself', async () => {
    world.settings = { ...world.settings, method: 'manifest' };
    const index = world.addCold([1_000], { rule: 'read', fillMs: 0 });
    world.store(index);
    const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
    const { outcome, seconds } = await world.warmed(order);
    expect(outcome).toBe('warm');
    expect(seconds).toBeGreaterThan(300);
    expect(world.count('touchBlob')).toBe(0);
    expect(world.count('discardBlob')).toBe(3);
  });

  test('with the method read every blob is read', async () => {
    world.settings = { ...world.settings, method: 'read' };
    const index = world.addCold([1_000]);
    world.store(index);
    const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
    expect((await world.warmed(order)).outcome).toBe('warm');
    expect([world.count('touchBlob'), world.count('discardBlob')]).toEqual([0, 3]);
  });

  test.each([
    new Failure('not_found', 'artifact not found', { detail: 'not_found_proxy' }),
    new Failure('rate_limited', 'TOO_MANY_REQUEST'),
    new Failure('upstream', '500'),
  ])('what passes by itself is tried again with growing pauses ($message)', async (failure) => {
    const index = world.addCold([1_000]);
    world.store(index);
    world.source.faults.fail('readImage', failure, 3);
    const { children: _children, ...order } = world.order(index);
    expect((await world.warmed(order)).outcome).toBe('warm');
    expect(world.kinds('retry')).toHaveLength(3);
  });

  test('a blob that is not found, although its manifest is there, is trouble of the upstream: tried again', async () => {
    const index = world.addCold([1_000]);
    world.storeIn(20_000, index);
    world.source.faults.fail('touchBlob', new Failure('not_found', 'BLOB_UNKNOWN'), 2);
    expect((await world.warmed(world.order(index))).outcome).toBe('warm');
  });

  test('what is really not there ends it at once', async () => {
    world.source.faults.fail('readImage', new Failure('not_found', 'the upstream has no such tag'));
    const { outcome, seconds } = await world.warmed(world.order(undefined));
    expect(outcome).toBe('failed');
    expect(seconds).toBeLessThan(2);
  });

  test('an upstream that stays away is given up at the deadline, and no sooner', async () => {
    world.settings = { ...world.settings, deadlineMs: 10 * minute };
    world.source.faults.fail('readImage', new Failure('upstream', '503'));
    const { outcome, seconds } = await world.warmed(world.order(undefined));
    expect(outcome).toBe('given_up');
    expect(seconds).toBeGreaterThanOrEqual(600);
    expect(world.kinds('image_cold')).toMatchObject([{ outcome: 'given_up', message: '503' }]);
    expect(world.count('readImage')).toBeLessThan(30);
  });

  test('an index that lacks the child that is meant is not taken for it', async () => {
    world.settings = { ...world.settings, deadlineMs: minute };
    const index = world.addCold([1_000]);
    const order = world.order(index, {
      children: new Map([['linux/amd64', 'sha256:other']]),
      platforms: ['linux/amd64'],
    });
    expect((await world.warmed(order)).outcome).toBe('given_up');
    expect(world.count('touchBlob')).toBe(0);
  });

  test('an abort ends it at once, and is not a failure', async () => {
    const index = world.addCold([1_000], { fillMs: 10 * minute });
    const stop = new AbortController();
    const running = world.warm(world.order(index), stop.signal);
    await vi.advanceTimersByTimeAsync(5_000);
    stop.abort();
    expect((await running).outcome).toBe('aborted');
    const before = world.source.calls.length;
    await vi.advanceTimersByTimeAsync(minute);
    expect(world.source.calls).toHaveLength(before);
    expect(world.events.at(-1)).toMatchObject({ kind: 'image_cold', reference: image, outcome: 'aborted' });
  });
});
