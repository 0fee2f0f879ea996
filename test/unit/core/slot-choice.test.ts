import { describe, expect, test } from 'vitest';
import { chooseSlots, isSlotWithin, observeLeases, type SlotLease } from '../../../agent/core/slot-choice.ts';

function lease(index: number, holder: string, resourceVersion = '1'): SlotLease {
  return { name: `stevedore-pull-${index}`, resourceVersion, holder, durationSeconds: 60 };
}

interface Asking {
  readonly maxNodes?: number;
  readonly now?: number;
  readonly random?: () => number;
}

/** The indices that may be taken, in order; the leases were first seen at 0. */
function choose(leases: readonly SlotLease[], { maxNodes = 3, now = 0, random = () => 0.5 }: Asking = {}): number[] {
  const seen = observeLeases(new Map(), leases, 0);
  return chooseSlots(leases, seen, { maxNodes, nodeName: 'me', now }, random).map(({ name }) => Number(name.slice(15)));
}

describe('the slots that a node may take', () => {
  test('are those that were never made and those given back', () => {
    expect(choose([lease(0, 'other'), lease(1, '')])).toEqual([1, 2]);
  });

  test('are none when all are held; what is beyond maxNodes is no slot', () => {
    const all = [lease(0, 'a'), lease(1, 'b'), lease(2, 'c'), lease(3, '')];
    expect(choose(all)).toEqual([]);
    expect(choose(all, { maxNodes: 4 })).toEqual([3]);
  });

  test('begin with its own one: a new agent of the same node goes on with it', () => {
    expect(choose([lease(2, 'me')])).toEqual([2, 0, 1]);
  });

  test('come at random, so that nodes do not all try the same', () => {
    const numbers = [0.9, 0.1, 0.5];
    expect(choose([], { random: () => numbers.shift() ?? 0 })).toEqual([1, 2, 0]);
  });

  test('are also those whose record has not changed for its duration, as seen here', () => {
    const held = [lease(0, 'dead'), lease(1, 'b'), lease(2, 'c')];
    expect(choose(held, { now: 59_999 })).toEqual([]);
    expect(choose(held, { now: 60_000 })).toEqual([0, 1, 2]);
  });
});

test('a record that changed is seen anew, one that did not keeps its time, one that is gone is forgotten', () => {
  const first = observeLeases(new Map(), [lease(0, 'a', '1'), lease(1, 'b', '2'), lease(2, 'c', '3')], 10);
  const second = observeLeases(first, [lease(0, 'a', '1'), lease(1, 'b', '9')], 50_000);
  expect([...second]).toEqual([
    ['stevedore-pull-0', { resourceVersion: '1', at: 10 }],
    ['stevedore-pull-1', { resourceVersion: '9', at: 50_000 }],
  ]);
});

test.each([
  ['stevedore-pull-1', true],
  ['stevedore-pull-2', false],
  ['stevedore-pull-x', false],
  ['stevedore-coordinator', false],
])('of two slots, %s is one: %s', (name, expected) => expect(isSlotWithin(name, 2)).toBe(expected));
