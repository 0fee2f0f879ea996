import { describe, expect, it } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { createLogger } from '../../../agent/ops/log.ts';
import type { LogLevel } from '../../../agent/settings.ts';

function logTo(lines: string[], level: LogLevel = 'info') {
  return createLogger(level, { write: (text) => lines.push(text) });
}

describe('the log', () => {
  it('is JSON lines with time, level as a word, the fields and the message', () => {
    const lines: string[] = [];
    logTo(lines).info({ image: 'a:1' }, 'pulled');
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(line).toEqual({ level: 'info', time: expect.any(String) as string, image: 'a:1', message: 'pulled' });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves out what is below its level', () => {
    const lines: string[] = [];
    const log = logTo(lines, 'warn');
    log.info({}, 'no');
    log.warn({}, 'yes');
    expect(lines).toHaveLength(1);
    logTo(lines, 'silent').error({}, 'no');
    expect(lines).toHaveLength(1);
  });

  it('writes a Failure by code and message, and the stack only of what nobody expected', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    log.error({ error: new Failure('tls', 'certificate expired', { detail: 'tls_ca' }) }, 'failed');
    log.error({ error: new TypeError('x is not a function') }, 'failed');
    log.error({ error: 'just text' }, 'failed');
    const [failure, surprise, words] = lines.map((line) => (JSON.parse(line) as { error: unknown }).error);
    expect(failure).toEqual({ code: 'tls', detail: 'tls_ca', message: 'certificate expired' });
    expect(surprise).toMatchObject({ type: 'TypeError', stack: expect.stringContaining('log.test') as string });
    expect(words).toBe('just text');
  });

  it('never shows a credential', () => {
    const lines: string[] = [];
    logTo(lines).info({ credential: new Credential('harbor.example.com', 'robot', 'hunter2') }, 'tried');
    expect(lines[0]).toContain('robot');
    expect(lines[0]).not.toContain('hunter2');
  });
});
