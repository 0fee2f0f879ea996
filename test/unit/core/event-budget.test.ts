import { expect, test } from 'vitest';
import { EventBudget, TokenBucket } from '../../../agent/core/event-budget.ts';

const minuteMs = 60_000;

test('one for each reason and subject in 10 minutes', () => {
  const budget = new EventBudget();
  expect(budget.take('ImageSetReady', 'gpu', 0)).toBe('taken');
  expect(budget.take('ImageSetReady', 'gpu', 9 * minuteMs)).toBe('repeated');
  expect(budget.take('ImageSetReady', 'base', 9 * minuteMs)).toBe('taken');
  expect(budget.take('ImageSetFailed', 'gpu', 9 * minuteMs)).toBe('taken');
  expect(budget.take('ImageSetReady', 'gpu', 10 * minuteMs)).toBe('taken');
});

test('25 at once over all, then one a minute', () => {
  const budget = new EventBudget();
  const taken = (from: number, now: number): number =>
    Array.from({ length: 40 }, (_, index) => budget.take('ImageSetReady', `set-${from + index}`, now)).filter(
      (verdict) => verdict === 'taken',
    ).length;
  expect(taken(0, 0)).toBe(25);
  expect(taken(100, 30_000)).toBe(0);
  expect(taken(200, 3 * minuteMs)).toBe(3);
});

test('a clock that was set back holds nothing up for longer than it would have been', () => {
  const budget = new EventBudget();
  expect(budget.take('ImagesLost', '', 100 * minuteMs)).toBe('taken');
  expect(budget.take('ImagesLost', '', 1 * minuteMs)).toBe('taken');
});

test('an empty bucket says when the next may be taken', () => {
  const bucket = new TokenBucket(1, 30_000);
  expect(bucket.take(0)).toBe(true);
  expect(bucket.readyAt(10_000)).toBe(30_000);
  expect(bucket.take(29_999)).toBe(false);
  expect(bucket.take(30_000)).toBe(true);
});
