import { describe, expect, test } from 'vitest';
import { clairvoyantOrder, findLeastAgainBytes } from '../../bench/eviction/clairvoyant.ts';
import { downloadShare, replay } from '../../bench/eviction/node.ts';
import { orders, ourName, ourRules } from '../../bench/eviction/orders.ts';
import { dayMs, minuteMs, totalBytes, type Trace, TraceBuilder } from '../../bench/eviction/trace.ts';
import { makeTrace, workloadNames } from '../../bench/eviction/workloads.ts';

function findOrder(name: string) {
  const order = orders.find((one) => one.name === name);
  if (order === undefined) throw new RangeError(name);
  return order;
}

const lru = findOrder('LRU');

/** One image for each letter, of a base that all share and a layer of 100 bytes; each day one start. */
function letters(text: string, baseBytes: number): Trace {
  const builder = new TraceBuilder(1000 * dayMs);
  const base = builder.addLayer(baseBytes);
  const images = new Map<string, number>();
  for (const [index, letter] of [...text].entries()) {
    const image = images.get(letter) ?? builder.addImage(builder.addRepository(), 0, [base, builder.addLayer(100)]);
    images.set(letter, image);
    builder.start(index * 2 * dayMs, image, minuteMs);
  }
  return builder.build('letters');
}

describe('the simulated node', () => {
  test('a big disk pulls nothing again', () => {
    const trace = letters('abcabcabc', 50);
    const { againBytes, firstBytes, evictions } = replay(trace, lru, { diskBytes: 1000 });
    expect({ againBytes, evictions }).toEqual({ againBytes: 0, evictions: 0 });
    expect(firstBytes).toBe(350 * downloadShare);
  });

  test('only layers that are gone are pulled again: a shared base stays with its last image', () => {
    // Above 300 of 400 the third letter drives out the one before the last; below 260 no more goes.
    const trace = letters('abcabc', 50);
    const { againBytes, evictions, delayedStarts } = replay(trace, lru, { diskBytes: 400 });
    expect(againBytes).toBe(3 * 100 * downloadShare);
    expect({ evictions, delayedStarts }).toEqual({ evictions: 4, delayedStarts: 0 });
  });

  test('within the grace nothing goes up to critical, and above it as much as brings it down to high', () => {
    const atOnce = (count: number): Trace => {
      const builder = new TraceBuilder(dayMs);
      for (let image = 0; image < count; image += 1) {
        builder.start(image * minuteMs, builder.addImage(image, 0, [builder.addLayer(100)]), 1000);
      }
      return builder.build('at once');
    };
    const evictions = (count: number, graceMs: number): number => {
      const order = { ...lru, rules: { ...ourRules, graceMs, minimumAgeMs: 0 } };
      return replay(atOnce(count), order, { diskBytes: 1000 }).evictions;
    };
    expect(evictions(8, dayMs)).toBe(0);
    expect(evictions(9, dayMs)).toBe(2);
    expect(evictions(8, 0)).toBe(2);
    expect(replay(atOnce(9), lru, { diskBytes: 1000 }).evictions).toBe(0);
  });

  test('the age tier takes what is unused for a week', () => {
    const trace = letters('ab'.padEnd(12, 'b'), 50);
    expect(replay(trace, lru, { diskBytes: 10_000, unusedForMs: 7 * dayMs }).evictions).toBe(1);
  });

  test('what is prefetched stays until a newer one of its repository is published', () => {
    const builder = new TraceBuilder(30 * dayMs);
    const first = builder.addImage(1, 0, [builder.addLayer(100)], true);
    const second = builder.addImage(1, 10 * dayMs, [builder.addLayer(100)], true);
    builder.start(0, first, 0);
    builder.start(10 * dayMs, second, 0);
    for (let day = 2; day < 8; day += 2) {
      builder.start(day * dayMs, builder.addImage(day, 0, [builder.addLayer(100)]), minuteMs);
    }
    builder.start(9 * dayMs, first, minuteMs);
    builder.start(20 * dayMs, first, minuteMs);
    const { againBytes, evictions } = replay(builder.build('desired'), lru, { diskBytes: 300 });
    expect(againBytes).toBe(0);
    expect(evictions).toBeGreaterThan(0);
  });
});

describe('the bound', () => {
  test('is what knowing the future saves', () => {
    // Two letters fit, and b goes for c: a, c, and then b for a, which nobody wants again. LRU would pull all three.
    expect(findLeastAgainBytes(letters('abcabc', 0), 200)).toBe(100 * downloadShare);
    // Half a letter that is kept is half a letter saved.
    expect(findLeastAgainBytes(letters('abcabc', 0), 250)).toBe(50 * downloadShare);
    expect(findLeastAgainBytes(letters('abcabc', 0), 300)).toBe(0);
  });

  test.each(workloadNames)('no order gets below it, and none changes what is pulled first: %s', (workload) => {
    const trace = makeTrace(workload, 1, 14);
    const diskBytes = totalBytes(trace) / 1.5;
    const least = findLeastAgainBytes(trace, diskBytes);
    const first = replay(trace, lru, { diskBytes }).firstBytes;
    for (const order of [findOrder(ourName), lru, clairvoyantOrder(trace)]) {
      const outcome = replay(trace, order, { diskBytes });
      expect(outcome.againBytes).toBeGreaterThanOrEqual(least);
      expect(outcome).toMatchObject({ firstBytes: first, failedPulls: 0 });
    }
  });
});

test('a seed gives the same trace again', () => {
  expect(makeTrace('mixed', 3, 5)).toEqual(makeTrace('mixed', 3, 5));
  expect(makeTrace('mixed', 3, 5)).not.toEqual(makeTrace('mixed', 4, 5));
});
