import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PolicyBook } from '../../../agent/coordinator/policy-book.ts';

const minute = 60_000;
const repository = 'harbor.lan/app/web';
const key = `${repository}@sha256:1`;
const running = () => Promise.resolve({ text: 'Running', isPending: true });
const success = () => Promise.resolve({ text: 'Success', isPending: false });
const unknown = () => Promise.resolve(undefined);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

test('what is refused while its scan runs is worth asking for each minute, for ten', async () => {
  const book = new PolicyBook();
  expect(book.askAgainInMs(repository)).toBe(Infinity);
  await book.refused(key, running);
  expect(book.askAgainInMs(repository)).toBe(minute);
  expect(book.askAgainInMs('harbor.lan/app/other')).toBe(Infinity);
  expect(await book.mayAsk(key, running)).toBe(false);
  vi.advanceTimersByTime(5 * minute);
  await book.refused(key, running);
  expect(book.askAgainInMs(repository)).toBe(minute);
  vi.advanceTimersByTime(6 * minute);
  expect(book.askAgainInMs(repository)).toBe(Infinity);
});

test('the end of the scan lets it be asked for, and its refusal then lasts', async () => {
  const book = new PolicyBook();
  await book.refused(key, running);
  expect(await book.mayAsk(key, success)).toBe(true);
  await book.refused(key, success);
  expect(book.askAgainInMs(repository)).toBe(Infinity);
  expect(await book.mayAsk(key, success)).toBe(false);
  vi.advanceTimersByTime(60 * minute);
  expect(await book.mayAsk(key, success)).toBe(true);
});

test('what may not be read is asked for once an hour', async () => {
  const book = new PolicyBook();
  await book.refused(key, unknown);
  expect(book.askAgainInMs(repository)).toBe(Infinity);
  expect(await book.mayAsk(key, unknown)).toBe(false);
  book.passed(key);
  expect(await book.mayAsk(key, unknown)).toBe(true);
});
