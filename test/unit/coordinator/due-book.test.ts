import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DueBook } from '../../../agent/coordinator/due-book.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { noResolutions } from '../../../agent/core/resolution.ts';

const minute = 60_000;
const every = (everyMs: number) => ({ platforms: ['linux/amd64'], credentials: [], everyMs });
let book: DueBook;

beforeEach(() => {
  vi.useFakeTimers();
  book = new DueBook(() => 1);
  book.begin();
});

afterEach(() => vi.useRealTimers());

describe('another interval', () => {
  test('that is shorter counts from when it was asked for last', () => {
    book.done('a', every(30 * minute), undefined);
    vi.advanceTimersByTime(10_000);
    expect(book.isDue('a', every(minute))).toBe(false);
    expect(book.nextAt - performance.now()).toBe(50_000);
    vi.advanceTimersByTime(50_000);
    expect(book.isDue('a', every(minute))).toBe(true);
  });

  test('that is over already makes it due at once', () => {
    book.done('a', every(30 * minute), undefined);
    vi.advanceTimersByTime(10 * minute);
    expect(book.isDue('a', every(minute))).toBe(true);
  });

  test('that is longer puts it off', () => {
    book.done('a', every(minute), undefined);
    expect(book.isDue('a', every(30 * minute))).toBe(false);
    vi.advanceTimersByTime(20 * minute);
    expect(book.isDue('a', every(30 * minute))).toBe(false);
    expect(book.nextAt - performance.now()).toBe(10 * minute);
  });

  test('counts for what another leader asked for too', () => {
    const image = { reference: 'a', digest: 'sha256:1', isProxied: false, platforms: [] };
    book.assume({ ...noResolutions, images: new Map([['a', image]]) }, performance.now());
    expect(book.isDue('a', { ...every(30 * minute), platforms: [] })).toBe(false);
    vi.advanceTimersByTime(2 * minute);
    expect(book.isDue('a', { ...every(minute), platforms: [] })).toBe(true);
  });

  test('does not put off what failed', () => {
    book.done('a', every(30 * minute), new Failure('network', 'away'));
    book.isDue('a', every(60 * minute));
    expect(book.nextAt - performance.now()).toBeLessThanOrEqual(minute);
  });
});

test('what is about to change is asked for sooner than usual, and never more often than what fails', () => {
  book.done('a', every(30 * minute), undefined, minute);
  expect(book.nextAt - performance.now()).toBe(minute);
  book.done('a', every(30 * minute), undefined, 1);
  expect(book.nextAt - performance.now()).toBe(30_000);
  book.done('a', every(30 * minute), undefined);
  expect(book.nextAt - performance.now()).toBe(30 * minute);
});
