import { describe, expect, test } from 'vitest';
import { toSpreadDelays } from '../../../agent/core/spread.ts';
import { sampleSet } from '../../fakes/samples.ts';

const hour = 3_600_000;
const [a, b] = ['reg.example/a:1', 'reg.example/b:1'] as const;
const set = sampleSet('s', [a, b]);
const image = { imageSets: ['s'] };

/** The delay of each of a hundred nodes. */
function delays(imageSets = [set], spreadOverMs = hour): number[] {
  return Array.from({ length: 100 }, (_, index) => toSpreadDelays(`node-${index}`, imageSets, spreadOverMs)(image));
}

describe('the delay of a node', () => {
  test('is the same at each question, and lies within spreadOver', () => {
    expect(delays()).toEqual(delays());
    for (const delayMs of delays()) {
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThan(hour);
    }
  });

  test('is spread evenly', () => {
    const quarters = delays().map((delayMs) => Math.floor(delayMs / (hour / 4)));
    for (const quarter of [0, 1, 2, 3]) expect(quarters.filter((one) => one === quarter).length).toBeGreaterThan(12);
  });

  test('depends on the definition of the set, so that no node is always the last, and not on its order', () => {
    expect(delays([sampleSet('s', [a])])).not.toEqual(delays());
    expect(delays([sampleSet('t', [a, b]), sampleSet('s', [b, a])])).toEqual(delays());
  });

  test('is nothing without spreadOver', () => {
    expect(Math.max(...delays([set], 0))).toBe(0);
  });

  test('of an image that several sets ask for is the shortest', () => {
    const delayOf = toSpreadDelays('node-1', [set, sampleSet('t', [a])], hour);
    const both = delayOf({ imageSets: ['s', 't'] });
    expect(both).toBe(Math.min(delayOf({ imageSets: ['s'] }), delayOf({ imageSets: ['t'] })));
  });
});
