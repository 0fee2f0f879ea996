import { expect, test } from 'vitest';
import { WatchBackoff } from '../../../agent/cluster/watch-backoff.ts';
import { defaultWatchTimings } from '../../../agent/cluster/watch-loop.ts';

const create = (): WatchBackoff => new WatchBackoff(defaultWatchTimings, () => 1);

/** So many failures one after the other. */
function fail(backoff: WatchBackoff, times: number): void {
  for (let time = 0; time < times; time += 1) backoff.nextMs();
}

test('doubles up to its cap, on top of what the server asks for', () => {
  const backoff = create();
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextMs())).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  expect(backoff.nextMs(5_000)).toBe(35_000);
});

test('begins anew after a watch that lived', () => {
  const backoff = create();
  fail(backoff, 5);
  backoff.watched(29_000);
  expect(backoff.nextMs()).toBe(30_000);
  backoff.watched(30_000);
  expect(backoff.nextMs()).toBe(1_000);
});

test('begins anew when the server says that it has forgotten: it is there again, and the next thing is a list', () => {
  const backoff = create();
  fail(backoff, 5);
  backoff.expired();
  expect(backoff.nextMs()).toBe(1_000);
});

test('but not for a server that forgets all the time', () => {
  const backoff = create();
  const waits = [1, 2, 3, 4].map(() => {
    backoff.expired();
    return backoff.nextMs();
  });
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
});
