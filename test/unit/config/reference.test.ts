import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { configurationOptions } from '../../../agent/config/options.ts';

const reference = readFileSync(new URL('../../../agent/config/README.md', import.meta.url), 'utf8');

test('the reference lists every option of the schema, and no other, in the same order', () => {
  const documented = [...reference.matchAll(/^\| `([A-Za-z][^`]*)` \|/gm)].map(([, option]) => option);
  expect(documented).toEqual(configurationOptions());
});

test('every option in the reference has all its columns', () => {
  const rows = reference.split('\n').filter((line) => line.startsWith('| `'));
  for (const row of rows) expect(row.split(' | ').length, row).toBe(4);
});

test('the example in the reference is a configuration without mistakes', () => {
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(reference) ?? [];
  expect(parseConfiguration(example, 'README.md')).toMatchObject({ ok: true });
  expect(example).not.toBe('');
});
