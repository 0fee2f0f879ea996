import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const agent = fileURLToPath(new URL('../../agent', import.meta.url));
const mostLines = 250;

test('no file of the agent is longer than 250 lines', () => {
  const sources = readdirSync(agent, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.(?:ts|m?js)$/.test(path),
  );
  expect(sources).not.toHaveLength(0);
  const long = sources
    .map((path) => ({ path, lines: readFileSync(join(agent, path), 'utf8').trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > mostLines);
  expect(long).toEqual([]);
});
