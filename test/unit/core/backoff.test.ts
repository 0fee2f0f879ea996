import { describe, expect, test } from 'vitest';
import { backoffMs, vanishedBackoffMs } from '../../../agent/core/backoff.ts';
import { Failure, type FailureCode } from '../../../agent/core/failure.ts';

const minute = 60_000;

describe('backoffMs', () => {
  test('grows from failure to failure up to a cap, with full jitter', () => {
    const failure = new Failure('upstream', '502');
    expect([1, 2, 3, 4].map((failures) => backoffMs(failure, failures, 1))).toEqual([2_500, 4_500, 8_500, 16_500]);
    expect(backoffMs(failure, 1_000, 1)).toBe(300_500);
    expect(backoffMs(failure, 4, 0.5)).toBe(8_500);
    expect(backoffMs(failure, 4, 0)).toBe(500);
  });

  test.each(['auth', 'not_found', 'tls', 'policy', 'no_platform', 'quota'] as const)('%s waits minutes', (code) => {
    expect(backoffMs(new Failure(code, 'no'), 1, 0)).toBeGreaterThanOrEqual(300_000);
  });

  test('a refusal by policy is tried once an hour', () => {
    const refused = new Failure('policy', '412', { detail: 'policy_blocked' });
    for (const failures of [1, 10, 100]) {
      expect(backoffMs(refused, failures, 0)).toBe(60 * minute);
      expect(backoffMs(refused, failures, 1)).toBeLessThanOrEqual(70 * minute);
    }
  });

  test('a refusal of what the coordinator was given is tried again within minutes, then hourly', () => {
    const refused = new Failure('policy', '412', { detail: 'policy_blocked' });
    expect(backoffMs(refused, 1, 0, true)).toBe(2 * minute);
    expect(backoffMs(refused, 1, 1, true)).toBe(4 * minute);
    expect(backoffMs(refused, 100, 1, true)).toBe(62 * minute);
    expect(backoffMs(new Failure('policy', 'no', { detail: 'not_allowed' }), 1, 0, true)).toBe(60 * minute);
    expect(backoffMs(new Failure('network', 'no'), 1, 1, true)).toBe(2_500);
  });

  test.each<[FailureCode, number, number]>([
    ['network', 0.5, 300.5],
    ['timeout', 0.5, 300.5],
    ['upstream', 0.5, 300.5],
    ['runtime', 0.5, 300.5],
    ['other', 0.5, 300.5],
    ['rate_limited', 5, 605],
    ['no_space', 30, 630],
    ['auth', 300, 900],
    ['not_found', 300, 900],
    ['tls', 300, 900],
    ['policy', 3_600, 4_200],
    ['no_platform', 300, 900],
    ['quota', 300, 900],
  ])('%s waits between %s and %s seconds', (code, least, most) => {
    const failure = new Failure(code, 'no');
    expect(backoffMs(failure, 1, 0)).toBe(least * 1_000);
    expect(backoffMs(failure, 1_000, 1)).toBe(most * 1_000);
  });

  test('a name that cannot be resolved is tried again soon, whatever else is wrong with the network', () => {
    const dns = new Failure('network', 'no', { detail: 'dns' });
    expect(backoffMs(dns, 1, 0)).toBe(1_000);
    expect(backoffMs(dns, 1_000, 1)).toBe(121_000);
  });

  test('the false 404 of a proxy project is tried again soon', () => {
    expect(backoffMs(new Failure('not_found', 'no', { detail: 'not_found_proxy' }), 1, 1)).toBe(2_500);
  });

  test('what the server asks for is waited at least', () => {
    expect(backoffMs(new Failure('rate_limited', '429', { retryAfterMs: 90_000 }), 1, 0.1)).toBe(90_000);
  });
});

test('an image that vanished is pulled at once the first time, then later and later', () => {
  expect(vanishedBackoffMs(1, 1)).toBe(0);
  expect(vanishedBackoffMs(2, 1)).toBe(15_000);
  expect(vanishedBackoffMs(20, 1)).toBe(605_000);
});
