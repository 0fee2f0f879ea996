import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EvictionImage, orderForEviction } from '../../../agent/core/prune-order.ts';

const dayMs = 86_400_000;

function image(id: string, unusedDays: number, knownDays: number, more: Partial<EvictionImage> = {}): EvictionImage {
  const [repository = id] = id.split(':');
  return {
    id,
    repositories: [repository],
    builtAt: undefined,
    unusedForMs: unusedDays * dayMs,
    knownForMs: knownDays * dayMs,
    ...more,
  };
}

function order(candidates: readonly EvictionImage[], stay: readonly EvictionImage[] = []): string[] {
  return orderForEviction(candidates, [...candidates, ...stay]).map(({ id }) => id);
}

test('what has been unused longest goes first', () => {
  expect(order([image('b', 2, 9), image('c', 5, 9), image('a', 3, 9)])).toEqual(['c', 'a', 'b']);
});

test('of equals the one known longer goes first, then the id decides', () => {
  expect(order([image('b', 2, 9), image('a', 2, 9), image('c', 2, 10)])).toEqual(['c', 'a', 'b']);
});

test('time counts fourfold for an image that a newer one of its repository has replaced', () => {
  const replaced = image('app:1', 2, 30);
  const newer = image('app:2', 0, 2.5);
  expect(order([image('other', 7.9, 30), replaced], [newer])).toEqual(['app:1', 'other']);
  expect(order([image('other', 8.1, 30), replaced], [newer])).toEqual(['other', 'app:1']);
});

test('an image that was used for more than a day after the newer one came has not been replaced', () => {
  const candidates = [image('other', 3, 30), image('app:1', 2, 30)];
  expect(order(candidates, [image('app:2', 0, 2.9)])).toEqual(['app:1', 'other']);
  expect(order(candidates, [image('app:2', 0, 3.1)])).toEqual(['other', 'app:1']);
});

test('an image of the same repository that came later but was built before replaces nothing', () => {
  const candidates = [image('other', 3, 30), image('app:1', 2, 30, { builtAt: 2000 })];
  expect(order(candidates, [image('app:2', 0, 1, { builtAt: 1999 })])).toEqual(['other', 'app:1']);
  // Reproducible builds all carry the same build time.
  expect(order(candidates, [image('app:2', 0, 1, { builtAt: 2000 })])).toEqual(['app:1', 'other']);
  expect(order(candidates, [image('app:2', 0, 1)])).toEqual(['app:1', 'other']);
});

test('images that were all first seen at the same moment have not replaced one another', () => {
  const candidates = [image('app:1', 29.6, 30), image('app:2', 29.4, 30), image('other', 29.8, 40)];
  expect(order(candidates)).toEqual(['other', 'app:1', 'app:2']);
});

test('time counts fourfold for the only image of a repository that was used on one day only', () => {
  expect(order([image('regular', 6, 30), image('once', 2, 2.5)])).toEqual(['once', 'regular']);
  expect(order([image('regular', 6, 30), image('twice', 2, 3.5)])).toEqual(['regular', 'twice']);
});

test('a new version of a repository that is in use does not count as used once', () => {
  const candidates = [image('regular', 6, 30), image('app:2', 2, 2.5)];
  expect(order(candidates, [image('app:1', 0, 30)])).toEqual(['regular', 'app:2']);
});

test('an image without names stands for itself', () => {
  const nameless = image('a', 2, 2.5, { repositories: [] });
  expect(order([image('regular', 6, 30), nameless], [image('b', 0, 1, { repositories: [] })])).toEqual([
    'a',
    'regular',
  ]);
});

const images = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 3 }),
    repositories: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
    builtAt: fc.option(fc.nat(5), { nil: undefined }),
    unusedForMs: fc.nat(10 * dayMs),
    sinceMs: fc.nat(10 * dayMs),
  }),
  { selector: ({ id }) => id, maxLength: 12 },
);

test('whatever the images, the order does not depend on how they are listed, and no image goes before one unused four times as long', () => {
  fc.assert(
    fc.property(images, fc.nat(), (drawn, by) => {
      const all = drawn.map(({ sinceMs, ...one }) => ({ ...one, knownForMs: one.unusedForMs + sinceMs }));
      const turned = all.map((_, index) => all[(index + by) % all.length]).filter((one) => one !== undefined);
      const ordered = orderForEviction(all, all);
      expect(orderForEviction(turned, turned.toReversed())).toEqual(ordered);
      expect(new Set(ordered)).toEqual(new Set(all));
      for (const [index, first] of ordered.entries()) {
        for (const later of ordered.slice(index + 1)) {
          expect(later.unusedForMs).toBeLessThanOrEqual(4 * first.unusedForMs);
        }
      }
    }),
  );
});
