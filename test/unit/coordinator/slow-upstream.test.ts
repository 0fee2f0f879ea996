import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toExpectedMs, toPatienceMs } from '../../../agent/coordinator/blob-fills.ts';
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

/** Without the children that are meant, so that the blobs are looked at although Harbor has the manifests. */
function setUp(sizes: readonly number[], fillMs: number) {
  const index = world.addCold(sizes, { fillMs: 300 });
  world.store(index);
  const layers = index.children[0]?.layers ?? [];
  const large = layers[0]?.digest ?? '';
  world.source.chill(name, large, 'touch', fillMs);
  const { children: _children, ...order } = world.order(index, { platforms: ['linux/amd64'] });
  return { order, index, large };
}

const asksFor = (digest: string) =>
  world.source.calls.filter((call) => call.digest === digest && ['touchBlob', 'discardBlob'].includes(call.method));

describe('a slow upstream', () => {
  test('40 MB at 160 KB/s: Harbor is asked once, and nothing is read through', async () => {
    const { order, large } = setUp([40_000_000], 250_000);
    expect(await world.warmed(order)).toMatchObject({ outcome: 'warm' });
    expect(asksFor(large)).toHaveLength(1);
    expect(world.kinds('fallback')).toEqual([]);
  });

  test('a blob that needs longer than the deadline is asked for once, then and the next time', async () => {
    const { order, large } = setUp([1024 * Mi], 65 * minute);
    expect(await world.warmed(order)).toMatchObject({ outcome: 'given_up' });
    await vi.advanceTimersByTimeAsync(30 * minute);
    expect(await world.warmed(order)).toMatchObject({ outcome: 'warm' });
    expect(asksFor(large)).toHaveLength(1);
  });

  test('the trouble of another blob, after which the image is tried again, does not ask for it again', async () => {
    world.settings = { ...world.settings, maxParallel: 3 };
    const { order, large } = setUp([40_000_000], 250_000);
    const touch = world.source.touchBlob.bind(world.source);
    let failures = 3;
    world.source.touchBlob = async (...asked) => {
      failures -= asked[1] === large ? 0 : 1;
      if (asked[1] !== large && failures >= 0) throw new Failure('upstream', '500');
      return touch(...asked);
    };
    expect(await world.warmed(order)).toMatchObject({ outcome: 'warm' });
    expect(world.kinds('retry').length).toBeGreaterThan(0);
    expect(asksFor(large)).toHaveLength(1);
  });

  test('a small blob has more time while others of its project come, and no more when they have ended', async () => {
    const { order, large } = setUp([1_000], 4 * minute);
    const running = world.warm(order);
    for (let at = 0; at < 8; at += 1) {
      const reference = `${host}/hub/other-${at}:1`;
      const other = world.addCold([2_000], { reference });
      world.store(other, reference);
      const { children: _children, ...more } = world.order(other, { reference });
      void world.warm(more);
      await vi.advanceTimersByTimeAsync(25_000);
    }
    expect(asksFor(large)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(minute);
    expect(await running).toMatchObject({ outcome: 'warm' });
  });
});

describe('what does not come', () => {
  test('is asked for again after three times what is expected, and read through after as long, within the deadline', async () => {
    const { order, large } = setUp([40_000_000], 0);
    world.source.chill(name, large, 'read');
    const running = world.warm(order);
    await vi.advanceTimersByTimeAsync(540_000);
    expect(asksFor(large).map(({ method }) => method)).toEqual(['touchBlob']);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asksFor(large).map(({ method }) => method)).toEqual(['touchBlob', 'touchBlob']);
    expect(world.kinds('fallback')).toEqual([]);
    await vi.advanceTimersByTimeAsync(560_000);
    expect(await running).toMatchObject({ outcome: 'warm' });
    expect(asksFor(large).map(({ method }) => method)).toEqual(['touchBlob', 'touchBlob', 'discardBlob']);
    expect(world.kinds('fallback')).toMatchObject([
      { reference: image, message: expect.stringMatching(/read through/) },
    ]);
  });

  test('is asked for at once where Harbor answered that it failed', async () => {
    const { order, large } = setUp([40_000_000], 1_000);
    const touch = world.source.touchBlob.bind(world.source);
    let asked = 0;
    world.source.touchBlob = async (...what) => {
      asked += what[1] === large ? 1 : 0;
      if (what[1] === large && asked < 3) throw new Failure('upstream', '500');
      return touch(...what);
    };
    const { outcome, seconds } = await world.warmed(order);
    expect(outcome).toBe('warm');
    expect(asked).toBe(3);
    expect(seconds).toBeLessThan(90);
  });
});

test.each([
  // A config: 30 s are expected, 90 s granted.
  [1_000, 30, 90],
  [40_000_000, 183, 548],
  // 40 % of the deadline.
  [100 * Mi, 430, 720],
  // What is expected is more than that.
  [512 * Mi, 2078, 2078],
])('%i bytes: %i s expected, %i s granted of a deadline of 30 min', (sizeBytes, expected, granted) => {
  expect(Math.round(toExpectedMs(sizeBytes) / 1000)).toBe(expected);
  expect(Math.round(toPatienceMs(sizeBytes, 30 * minute) / 1000)).toBe(granted);
});
