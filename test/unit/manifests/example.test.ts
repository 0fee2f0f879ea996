import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { configurationOptions } from '../../../agent/config/options.ts';
import { manifests } from './objects.ts';

const example = readFileSync(join(manifests, 'base/config.yaml'), 'utf8');
/** As a user would: `# ` goes from every line that has it; what begins with `##` stays a comment. */
const uncommented = example
  .split('\n')
  .map((line) => (line.startsWith('# ') ? line.slice(2) : line))
  .join('\n');

test('as it is, the example asks for nothing', () => {
  expect(parseConfiguration(example, 'config.yaml')).toEqual(parseConfiguration('', 'config.yaml'));
});

test('without its comment signs the example is a configuration with neither mistakes nor warnings', () => {
  expect(parseConfiguration(uncommented, 'config.yaml')).toMatchObject({ ok: true, warnings: [] });
});

test('every option is in the example once, in the order of the reference, and nothing else is', () => {
  expect(findOptions(parse(uncommented))).toEqual(configurationOptions());
});

test("the chart's example is the same", () => {
  expect(readFileSync(join(manifests, 'helm/config.yaml'), 'utf8')).toBe(example);
});

test("the chart's schema knows the parts of a configuration, and no others", () => {
  const schema = JSON.parse(readFileSync(join(manifests, 'helm/values.schema.json'), 'utf8')) as {
    properties: { config: { properties: Record<string, unknown> } };
  };
  const parts = configurationOptions().filter((option) => !/[.[]/.test(option));
  expect(Object.keys(schema.properties.config.properties).toSorted()).toEqual(parts.toSorted());
});

/** As `configurationOptions` writes them. The keys of `matchLabels` are labels and no options. */
function findOptions(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => findOptions(entry, `${path}[]`));
  if (typeof value !== 'object' || value === null || path.endsWith('.matchLabels')) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const option = path === '' ? key : `${path}.${key}`;
    return [option, ...findOptions(inner, option)];
  });
}
