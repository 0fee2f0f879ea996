import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHealth } from '../../../agent/ops/health.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('health', () => {
  it('is ready once configuration, runtime and first look are reported good, and not before', () => {
    const health = createHealth(1000);
    expect(health.ready().map(({ name, ok }) => [name, ok])).toEqual([
      ['configuration', false],
      ['runtime', false],
      ['first_look', false],
    ]);
    health.report('configuration', undefined);
    health.report('runtime', undefined);
    health.report('first_look', undefined);
    expect(health.ready().every(({ ok }) => ok)).toBe(true);
  });

  it('says why it is no longer ready', () => {
    const health = createHealth(1000);
    health.report('runtime', undefined);
    health.report('runtime', 'nobody answers on /run/x.sock');
    expect(health.ready()[1]).toEqual({ name: 'runtime', ok: false, message: 'nobody answers on /run/x.sock' });
  });

  it('lives as long as the loop comes around', () => {
    const health = createHealth(60_000);
    vi.advanceTimersByTime(59_000);
    expect(health.live()[0]?.ok).toBe(true);
    health.advance();
    vi.advanceTimersByTime(59_000);
    expect(health.live()[0]?.ok).toBe(true);
    vi.advanceTimersByTime(2_000);
    expect(health.live()).toEqual([{ name: 'loop', ok: false, message: 'no round for 61 s' }]);
  });

  it('does not mind a clock that is set', () => {
    const health = createHealth(60_000);
    vi.setSystemTime(Date.now() + 86_400_000);
    expect(health.live()[0]?.ok).toBe(true);
  });
});
