import { expect, test } from 'vitest';
import { severities } from '../../../agent/core/repository-pattern.ts';
import { exceeds, rankSeverity } from '../../../agent/core/severity.ts';

const finished = (severity: string) => ({ status: 'Success', severity });

test("Harbor's words rank in its own order, whatever their case", () => {
  const words = ['None', 'Negligible', 'Low', 'Medium', 'High', 'Critical'];
  expect(words.map(rankSeverity)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(words.map((word) => rankSeverity(word.toUpperCase()))).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a word that nobody knows is worse than all that are known', () => {
  for (const word of ['Apocalyptic', '', 'toString', '__proto__']) {
    expect(rankSeverity(word)).toBeGreaterThan(rankSeverity('Critical'));
    expect(exceeds('critical', finished(word), 'allow')?.reason).toBe('severity');
  }
});

test('the limit itself is allowed, and everything above it is not', () => {
  for (const [limit, max] of severities.entries()) {
    for (const [rank, word] of severities.entries()) {
      const verdict = exceeds(max, finished(word), 'refuse');
      expect(verdict?.reason, `${word} against ${max}`).toBe(rank > limit ? 'severity' : undefined);
    }
  }
});

test('a vulnerability that nobody has rated is one all the same', () => {
  expect(exceeds('none', finished('Unknown'), 'refuse')).toEqual({
    reason: 'severity',
    message: 'its severity is Unknown, and at most none is allowed',
  });
  expect(exceeds('negligible', finished('Unknown'), 'refuse')).toBeUndefined();
});

test.each(['Pending', 'Scheduled', 'Running', 'Error', 'Stopped'])('a scan that is %s counts as none', (status) => {
  expect(exceeds('high', { status, severity: undefined }, 'refuse')).toEqual({
    reason: 'not_scanned',
    message: `its scan is not finished (${status})`,
  });
  expect(exceeds('high', { status, severity: undefined }, 'allow')).toBeUndefined();
});

test('what was never scanned is refused or allowed as the pattern says', () => {
  expect(exceeds('critical', undefined, 'refuse')).toEqual({ reason: 'not_scanned', message: 'it was never scanned' });
  expect(exceeds('none', undefined, 'allow')).toBeUndefined();
});

test('an old severity beside an unfinished scan can forbid and cannot allow', () => {
  expect(exceeds('low', { status: 'Running', severity: 'High' }, 'allow')?.reason).toBe('severity');
  expect(exceeds('high', { status: 'Running', severity: 'Low' }, 'refuse')?.reason).toBe('not_scanned');
});

test('a scan without a result allows nothing by itself', () => {
  expect(exceeds('critical', { status: 'Success', severity: undefined }, 'refuse')?.message).toBe(
    'its scan gave no severity',
  );
});
