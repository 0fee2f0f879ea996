import { describe, expect, test } from 'vitest';
import { isAgeRunDue, nextAgeRunAt, toJitterMs } from '../../../agent/core/prune-schedule.ts';
import { sampleWindow } from '../../fakes/samples.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const at = (time: string): number => Date.parse(time);

function line(cron: string, timeZone = 'UTC', jitterMs = 0) {
  return { schedule: { cron, schedule: sampleWindow(cron, 0).schedule, timeZone }, jitterMs };
}
const nightly = line('0 2 * * *');
const due = (settings: ReturnType<typeof line>, since: string, now: string, node = 'node-1'): boolean =>
  isAgeRunDue(settings, node, at(since), at(now));

describe('the jitter', () => {
  test('is the same for a node each time, and within its bounds', () => {
    expect(toJitterMs('node-1', 30 * minute)).toBe(toJitterMs('node-1', 30 * minute));
    expect(toJitterMs('node-1', 0)).toBe(0);
  });

  test('spreads a fleet evenly, also one whose names differ in a digit', () => {
    const tenths = Array.from({ length: 1_000 }, (_, n) =>
      Math.floor(toJitterMs(`gpu-${n}`, 30 * minute) / (3 * minute)),
    );
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const nodes = tenths.filter((one) => one === tenth).length;
      expect(nodes).toBeGreaterThan(65);
      expect(nodes).toBeLessThan(135);
    }
    expect(Math.max(...tenths)).toBe(9);
  });

  test('delays the run after a firing by just that much', () => {
    const settings = line('0 2 * * *', 'UTC', 30 * minute);
    const own = toJitterMs('node-1', 30 * minute);
    const next = nextAgeRunAt(settings, 'node-1', at('2026-03-02T12:00:00Z'));
    expect(next).toBe(at('2026-03-03T02:00:00Z') + own);
    const since = at('2026-03-02T12:00:00Z');
    expect(isAgeRunDue(settings, 'node-1', since, (next ?? 0) - 1)).toBe(false);
    expect(isAgeRunDue(settings, 'node-1', since, next ?? 0)).toBe(true);
    // Between the firing and its own moment the node's next run is still this one.
    expect(nextAgeRunAt(settings, 'node-1', at('2026-03-03T02:00:01Z'))).toBe(next);
  });
});

describe('a run is due', () => {
  test('once for each firing', () => {
    expect(due(nightly, '2026-03-02T12:00:00Z', '2026-03-03T01:59:59Z')).toBe(false);
    expect(due(nightly, '2026-03-02T12:00:00Z', '2026-03-03T02:00:00Z')).toBe(true);
    expect(due(nightly, '2026-03-03T02:00:00Z', '2026-03-03T02:00:30Z')).toBe(false);
    expect(due(nightly, '2026-03-03T02:00:30Z', '2026-03-04T02:00:00Z')).toBe(true);
  });

  test('after firings that nobody was there for, as one', () => {
    expect(due(nightly, '2026-01-01T12:00:00Z', '2026-03-03T12:00:00Z')).toBe(true);
    expect(due(nightly, '2026-03-03T12:00:00Z', '2026-03-03T12:00:30Z')).toBe(false);
    expect(due(line('0 2 1 1 *'), '2001-01-01T12:00:00Z', '2026-03-03T12:00:00Z')).toBe(true);
  });

  test('by the clock of its time zone, and once in the nights when that changes', () => {
    const berlin = line('30 2 * * *', 'Europe/Berlin');
    expect(due(berlin, '2026-03-02T12:00:00Z', '2026-03-03T01:29:59Z')).toBe(false);
    expect(due(berlin, '2026-03-02T12:00:00Z', '2026-03-03T01:30:00Z')).toBe(true);
    // 2:30 does not exist on 29 March: it fires at the end of the gap, 3:00 summer time.
    expect(due(berlin, '2026-03-28T12:00:00Z', '2026-03-29T00:59:59Z')).toBe(false);
    expect(due(berlin, '2026-03-28T12:00:00Z', '2026-03-29T01:00:00Z')).toBe(true);
    // 2:30 comes twice on 25 October: the first counts.
    expect(due(berlin, '2026-10-24T12:00:00Z', '2026-10-25T00:30:00Z')).toBe(true);
    expect(due(berlin, '2026-10-25T00:30:01Z', '2026-10-25T12:00:00Z')).toBe(false);
  });

  test('when the last run lies far ahead, since the clock was wrong; not when it was set back a little', () => {
    expect(due(nightly, '2031-01-01T00:00:00Z', '2026-03-03T12:00:00Z')).toBe(true);
    expect(due(nightly, '2026-03-03T02:00:10Z', '2026-03-03T01:59:50Z')).toBe(false);
    expect(due(nightly, '2026-03-03T02:00:10Z', '2026-03-03T02:00:05Z')).toBe(false);
  });
});

test('a jitter longer than the time between two firings loses none', () => {
  const settings = line('0 * * * *', 'UTC', 3 * hour);
  let since = at('2026-03-02T00:00:00Z');
  const end = since + day;
  let runs = 0;
  for (let now = since; now < end; now += minute) {
    if (!isAgeRunDue(settings, 'node-1', since, now)) continue;
    runs += 1;
    since = now;
  }
  expect(runs).toBe(24);
});
