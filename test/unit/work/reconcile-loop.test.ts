import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Reconciler } from '../../../agent/work/reconciler.ts';
import { runReconcileLoop } from '../../../agent/work/reconcile-loop.ts';
import { Trigger } from '../../../agent/work/trigger.ts';

const minute = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21) });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([
  ['back a year', -365 * 24 * 60 * minute],
  ['forward a year', 365 * 24 * 60 * minute],
])('a clock that is set %s neither stops the looks nor makes more of them', async (_how, stepMs) => {
  const counted = { looks: 0, beats: 0 };
  const reconciler: Pick<Reconciler, 'look' | 'checkCredentials' | 'waitsForCredentials'> = {
    waitsForCredentials: false,
    checkCredentials: () => Promise.resolve(),
    look: () => {
      counted.looks += 1;
      return Promise.resolve({ done: true, wakeAt: Date.now() + minute });
    },
  };
  const stop = new AbortController();
  const parts = {
    reconciler: reconciler as Reconciler,
    trigger: new Trigger(),
    lookIntervalMs: () => 5 * minute,
    onBeat: () => {
      counted.beats += 1;
    },
    onLook: () => undefined,
  };
  parts.trigger.fire();
  const running = runReconcileLoop(parts, stop.signal);
  await vi.advanceTimersByTimeAsync(10 * minute);
  const before = { ...counted };
  vi.setSystemTime(Date.now() + stepMs);
  await vi.advanceTimersByTimeAsync(10 * minute);
  expect(counted.looks - before.looks).toBeGreaterThanOrEqual(9);
  expect(counted.looks - before.looks).toBeLessThanOrEqual(12);
  expect(counted.beats - before.beats).toBeGreaterThanOrEqual(18);
  stop.abort();
  await running;
});
