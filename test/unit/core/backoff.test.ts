import { describe, expect, test } from 'vitest';
import { backoffMs, vanishedBackoffMs } from '../../../agent/core/backoff.ts';
import { Failure } from '../../../agent/core/failure.ts';

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
