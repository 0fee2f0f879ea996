import { describe, expect, test } from 'vitest';
import { isPlainName, matchesPattern, matchesRepository } from '../../../agent/core/artifact-selection.ts';
import { host, pattern } from './selection-samples.ts';

describe('names', () => {
  test.each([
    ['ml', '*', 'ml/llm:1', true],
    ['ml', '*', 'ml/a/b:1', false],
    ['ml', '**', 'ml/a/b:1', true],
    ['ml', 'a/*', 'ml/a/b:1', true],
    ['ml', 'llm-*', 'ml/llm-server:1', true],
    ['ml', 'llm-*', 'ml/x-llm-server:1', false],
    ['team-*', '*', 'team-a/x:1', true],
    ['*', '*', 'a/b/c:1', false],
    ['m[l]', '*', 'ml/x:1', false],
  ])('%s and %s on %s', (project, repository, name, expected) => {
    expect(matchesPattern(pattern({ project, repository }), `${host}/${name}`)).toBe(expected);
  });

  test('another host, no tag, a digest or no reference at all never match', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const reference of [
      'harbor.example.com.evil.test/ml/llm:1',
      'docker.io/ml/llm:1',
      `${host}/ml/llm@${digest}`,
      `${host}/ml/llm:1@${digest}`,
      `${host}/ml:1`,
      'not a reference',
      '',
    ]) {
      expect(matchesPattern(pattern(), reference), reference).toBe(false);
    }
  });

  test('the tag rule counts, the number of newest does not', () => {
    const rule = pattern({ tags: { semver: '1.x', newest: 1 } });
    expect(matchesPattern(rule, `${host}/ml/llm:1.0.0`)).toBe(true);
    expect(matchesPattern(rule, `${host}/ml/llm:2.0.0`)).toBe(false);
  });

  test('plain names need no listing', () => {
    expect(['ml', 'a/b.c-d_e', '12345'].every(isPlainName)).toBe(true);
    expect(['*', 'a?', '{a,b}', 'a/**'].some(isPlainName)).toBe(false);
    expect(matchesRepository(pattern({ repository: 'a/b' }), 'ml', 'a/b')).toBe(true);
  });
});
