import fc from 'fast-check';
import { createTask } from 'node-cron';
import { expect, test } from 'vitest';
import { parseCron } from '../../agent/config/cron.ts';
import { type Window, windowState } from '../../agent/core/window.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

function windowOf(cron: string, duration: number, timeZone: string | undefined): Window {
  const parsed = parseCron(cron);
  if (!parsed.ok) throw new Error(parsed.rule);
  return { cron, schedule: parsed.schedule, durationMs: duration, timeZone };
}

function stateAt(window: Window, at: string): string {
  const { open, changesAt } = windowState(window, Date.parse(at));
  return `${open ? 'open' : 'closed'} until ${changesAt === undefined ? 'ever' : new Date(changesAt).toISOString()}`;
}

test.each([
  ['before it', '2026-11-21T18:59:59Z', 'closed until 2026-11-21T19:00:00.000Z'],
  ['at the firing', '2026-11-21T19:00:00Z', 'open until 2026-11-22T05:00:00.000Z'],
  ['across midnight', '2026-11-22T03:00:00Z', 'open until 2026-11-22T05:00:00.000Z'],
  ['just before its end', '2026-11-22T04:59:59.999Z', 'open until 2026-11-22T05:00:00.000Z'],
  ['at its end', '2026-11-22T05:00:00Z', 'closed until 2026-11-22T19:00:00.000Z'],
])('a night window in Berlin: %s', (_, at, state) => {
  expect(stateAt(windowOf('0 20 * * *', 10 * hourMs, 'Europe/Berlin'), at)).toBe(state);
});

test.each([
  ['summer time', 'Europe/Berlin', '2026-07-01T12:00:00Z', 'closed until 2026-07-01T18:00:00.000Z'],
  ['another zone', 'Asia/Kathmandu', '2026-07-01T12:00:00Z', 'closed until 2026-07-01T14:15:00.000Z'],
  ['a zone ahead of UTC', 'Pacific/Kiritimati', '2026-07-01T12:00:00Z', 'closed until 2026-07-02T06:00:00.000Z'],
])('local time counts: %s', (_, zone, at, state) => {
  expect(stateAt(windowOf('0 20 * * *', hourMs, zone), at)).toBe(state);
});

test('a window stays open for its duration in real time over a clock change', () => {
  const night = windowOf('0 20 * * *', 10 * hourMs, 'Europe/Berlin');
  expect(stateAt(night, '2026-03-28T20:00:00Z')).toBe('open until 2026-03-29T05:00:00.000Z');
  expect(stateAt(night, '2026-10-24T20:00:00Z')).toBe('open until 2026-10-25T04:00:00.000Z');
});

test('a firing in skipped local time comes at the end of the gap', () => {
  const window = windowOf('30 2 * * *', hourMs, 'Europe/Berlin');
  expect(stateAt(window, '2026-03-29T00:59:00Z')).toBe('closed until 2026-03-29T01:00:00.000Z');
  expect(stateAt(window, '2026-03-29T01:00:00Z')).toBe('open until 2026-03-29T02:00:00.000Z');
});

test('a firing in repeated local time comes once', () => {
  const window = windowOf('30 2 * * *', hourMs, 'Europe/Berlin');
  expect(stateAt(window, '2026-10-25T00:30:00Z')).toBe('open until 2026-10-25T01:30:00.000Z');
  expect(stateAt(window, '2026-10-25T01:30:00Z')).toBe('closed until 2026-10-26T01:30:00.000Z');
});

test('a line for every hour follows real time through repeated and skipped hours', () => {
  const hourly = windowOf('30 * * * *', 10 * minuteMs, 'Europe/Berlin');
  expect(stateAt(hourly, '2026-10-25T00:50:00Z')).toBe('closed until 2026-10-25T01:30:00.000Z');
  expect(stateAt(hourly, '2026-03-29T00:50:00Z')).toBe('closed until 2026-03-29T01:30:00.000Z');
});

test('firings that follow one another within the duration make one window', () => {
  const office = windowOf('0 9-17 * * 1-5', hourMs, 'America/New_York');
  expect(stateAt(office, '2026-11-20T15:30:00Z')).toBe('open until 2026-11-20T23:00:00.000Z');
  expect(stateAt(office, '2026-11-20T23:00:00Z')).toBe('closed until 2026-11-23T14:00:00.000Z');
});

test('a window that never closes is open whenever one looks', () => {
  const daily = windowOf('@daily', 24 * hourMs, 'UTC');
  let now = Date.parse('2026-11-20T15:30:00Z');
  for (let looks = 0; looks < 5; looks += 1) {
    const { open, changesAt } = windowState(daily, now);
    expect(open).toBe(true);
    now = changesAt ?? now + 1;
  }
});

test('rare days are found', () => {
  expect(stateAt(windowOf('0 0 29 2 1', hourMs, 'UTC'), '2026-11-20T00:00:00Z')).toBe(
    'closed until 2044-02-29T00:00:00.000Z',
  );
});

test('without a time zone the machine’s own counts', () => {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const at = '2026-11-20T00:00:00Z';
  expect(stateAt(windowOf('0 20 * * *', hourMs, undefined), at)).toBe(stateAt(windowOf('0 20 * * *', hourMs, own), at));
});

const fieldOf = (min: number, max: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min, max }).map(String),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.constantFrom('*/2', '*/5'),
  );

/** Away from clock changes, which node-cron treats otherwise. */
const instant = fc.integer({ min: Date.parse('2026-04-02T00:00:00Z'), max: Date.parse('2026-10-20T00:00:00Z') });

test('opens exactly at the minutes that node-cron matches', () => {
  const line = fc.tuple(fieldOf(0, 59), fieldOf(0, 23), fieldOf(1, 28), fieldOf(1, 12), fieldOf(0, 7));
  fc.assert(
    fc.property(line, fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu'), instant, (fields, timezone, at) => {
      const cron = fields.join(' ');
      const task = createTask(cron, () => {}, { timezone });
      const minute = Math.floor(at / minuteMs) * minuteMs;
      expect(windowState(windowOf(cron, minuteMs, timezone), minute + 999).open).toBe(task.match(new Date(minute)));
      void task.destroy();
    }),
  );
});

test('what one look says of the next change is what the next looks see', () => {
  const line = fc.tuple(fieldOf(0, 59), fieldOf(0, 23), fc.constant('*'), fc.constant('*'), fieldOf(0, 6));
  const duration = fc.integer({ min: 1, max: 36 * 60 }).map((minutes) => minutes * minuteMs);
  fc.assert(
    fc.property(line, duration, instant, (fields, durationMs, at) => {
      const cron = fields.join(' ');
      // A new object each time, so that no earlier answer is remembered.
      const fresh = (now: number) => windowState(windowOf(cron, durationMs, 'Europe/Berlin'), now);
      const { open, changesAt = at + hourMs } = fresh(at);
      expect(fresh(at + Math.floor((changesAt - at - 1) / 2)).open).toBe(open);
      expect(fresh(changesAt - 1).open).toBe(open);
      if (!open) expect(fresh(changesAt).open).toBe(true);
    }),
  );
});

test('remembering an answer does not outlive it, also when the clock goes back', () => {
  const window = windowOf('0 20 * * *', hourMs, 'UTC');
  const looks = [
    '2026-11-20T20:30:00Z',
    '2026-11-20T20:59:59Z',
    '2026-11-20T21:00:00Z',
    '2026-11-20T20:30:00Z',
    '2026-11-20T19:00:00Z',
  ];
  expect(looks.map((at) => windowState(window, Date.parse(at)).open)).toEqual([true, true, false, true, false]);
});

test.each([
  ['0 0 20 * * *', 'not 6: there is no field for seconds'],
  ['0 20 * *', 'not 4'],
  ['60 * * * *', 'invalid expression for minute'],
  ['0 0 30 2 *', 'impossible day of month'],
  ['0 0 L * *', 'L, W and # are not supported'],
  ['0 0 * * 1#2', 'L, W and # are not supported'],
  ['@fortnightly', 'not a cron line'],
])('the line %s is refused: %s', (line, rule) => {
  const parsed = parseCron(line);
  expect(parsed.ok ? 'accepted' : parsed.rule).toContain(rule);
});
