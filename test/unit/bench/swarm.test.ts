import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FastClock } from '../../bench/swarm/fast-time.ts';
import { toFairness, toIdealWaits, toJainIndex } from '../../bench/swarm/fairness.ts';
import { RegistryLink } from '../../bench/swarm/link.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the link', () => {
  /** 100 bytes a second, 50 for one node. */
  function makeLink(clock = new FastClock()) {
    const done: string[] = [];
    const link = new RegistryLink({ registryBytesPerSecond: 100, nodeBytesPerSecond: 50 }, clock);
    const pull = (node: string, bytes = 100): void => link.begin(node, bytes, () => done.push(node));
    return { link, done, pull, clock };
  }

  test('gives a node no more than its own bandwidth', async () => {
    const { done, pull } = makeLink();
    pull('a');
    await vi.advanceTimersByTimeAsync(1_990);
    expect(done).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(done).toEqual(['a']);
  });

  test('is shared in equal parts, and counts the most at one time', async () => {
    const { link, done, pull } = makeLink();
    for (const node of ['a', 'b', 'c', 'd']) pull(node);
    await vi.advanceTimersByTimeAsync(3_990);
    expect(done).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    pull('e');
    expect([link.peak, link.current, link.transfers.length]).toEqual([4, 1, 5]);
  });

  test('forgets who leaves, and serves the others faster', async () => {
    const { link, done, pull } = makeLink();
    for (const node of ['a', 'b', 'c', 'd']) pull(node);
    await vi.advanceTimersByTimeAsync(2_000);
    link.leave('a');
    link.leave('b');
    await vi.advanceTimersByTimeAsync(1_010);
    expect(done).toEqual(['c', 'd']);
  });

  test('follows the speed of its clock', async () => {
    const { link, done, pull, clock } = makeLink();
    pull('a', 1_000);
    await vi.advanceTimersByTimeAsync(10_000);
    clock.factor = 10;
    link.plan();
    await vi.advanceTimersByTimeAsync(990);
    expect(done).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(done).toEqual(['a']);
  });
});

describe('fairness', () => {
  test('is 1 where all wait equally long, and 1/n where one waits for all', () => {
    expect(toJainIndex([5, 5, 5])).toBeCloseTo(1);
    expect(toJainIndex([0, 0, 0, 8])).toBeCloseTo(0.25);
    expect(toJainIndex([0, 0])).toBe(1);
  });

  test('of an order that wastes no moment', () => {
    expect(toIdealWaits(5, 2, 10)).toEqual([0, 0, 10, 10, 20]);
    expect(toFairness([0, 0, 10, 10, 20])).toMatchObject({
      waitSeconds: { min: 0, median: 10, max: 20 },
      longestByMedian: 2,
    });
  });
});
