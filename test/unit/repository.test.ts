import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Relative paths of the modules that load with a module, dynamic imports aside, and the packages that these import. */
function loadedWith(path: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  const text = readFileSync(join(agent, path), 'utf8');
  for (const [, from = ''] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm)) {
    if (from.startsWith('.')) loadedWith(join(dirname(path), from), seen);
    else seen.add(from);
  }
  return seen;
}

test('without a cluster and before any pull, no client of Kubernetes or of registries is loaded', () => {
  const clients = (path: string) => [...loadedWith(path)].filter((name) => /^(?:@kubernetes\/|undici)/.test(name));
  expect(clients('cluster-member.ts')).not.toEqual([]);
  for (const path of ['main.ts', 'agent.ts', 'commands/run.ts']) expect(clients(path)).toEqual([]);
});

test("in a cluster without a kubeconfig client-node's KubeConfig, 45 MiB resident, is not loaded", () => {
  const heavy = [...loadedWith('cluster-member.ts')].filter((name) => /^@kubernetes\/.*\/config/.test(name));
  expect(heavy).toEqual([]);
});
