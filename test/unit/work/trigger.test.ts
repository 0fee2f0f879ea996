import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Trigger } from '../../../agent/work/trigger.ts';

const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** When the waiter woke, in ms from now on. */
function wakeTimes(trigger: Trigger, stop: AbortSignal): number[] {
  const startedAt = Date.now();
  const times: number[] = [];
  void (async () => {
    while (!stop.aborted) if (await trigger.wait(Number.POSITIVE_INFINITY, stop)) times.push(Date.now() - startedAt);
  })();
  return times;
}

test('hints that come close together wake the waiter once, at the earliest time that any of them asked for', async () => {
  const trigger = new Trigger();
  const stop = new AbortController();
  const times = wakeTimes(trigger, stop.signal);
  trigger.fire(500);
  trigger.fire(100);
  trigger.fire(300);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(times).toEqual([100]);
  stop.abort();
});

test('a swarm of hints causes no more than one look in each gap, and its last hint is not lost', async () => {
  const trigger = new Trigger();
  const stop = new AbortController();
  const times = wakeTimes(trigger, stop.signal);
  for (let at = 0; at <= 3_000; at += 50) {
    trigger.fireSparsely(200, 2_000);
    await vi.advanceTimersByTimeAsync(50);
  }
  await vi.advanceTimersByTimeAsync(10_000);
  expect(times).toEqual([200, 2_200, 4_200]);
  stop.abort();
});

test('waiting ends at its time without a hint, and at once by the signal', async () => {
  const trigger = new Trigger();
  const timedOut = trigger.wait(Date.now() + 100, never);
  await vi.advanceTimersByTimeAsync(100);
  expect(await timedOut).toBe(false);
  const stop = new AbortController();
  const stopped = trigger.wait(Date.now() + 10_000, stop.signal);
  stop.abort();
  expect(await stopped).toBe(false);
});
