/** The agent as it is in the container image: bundled, without node_modules around it, started with the image's own flags. */

import { execFile } from 'node:child_process';
import { cp, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeFolder } from '../harness/folder.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(repository, 'dist');

let command: Promise<string[]> | undefined;

/**
 * The command line up to where the agent's own arguments begin. The bundle is built first when it is older than its sources.
 * @throws Error with the build's output when it fails
 */
export function bundledAgent(): Promise<string[]> {
  command ??= prepare();
  return command;
}

async function prepare(): Promise<string[]> {
  if (await isStale()) await promisify(execFile)(process.execPath, [join(repository, 'agent/bundle.mjs')]);
  // Away from the repository: whatever the bundle lacks, its node_modules would supply. The folder goes when this process ends.
  const folder = await makeFolder('stv-bundle');
  await cp(dist, folder.path, { recursive: true });
  return [process.execPath, ...(await readFlags()), join(folder.path, 'stevedore.mjs')];
}

async function isStale(): Promise<boolean> {
  const builtAt = await changedAt(join(dist, 'stevedore.mjs')).catch(() => 0);
  const sources = await readdir(join(repository, 'agent'), { recursive: true });
  const inputs = ['package.json', 'package-lock.json', ...sources.map((path) => join('agent', path))];
  const times = await Promise.all(inputs.map((path) => changedAt(join(repository, path))));
  return Math.max(...times) >= builtAt;
}

async function changedAt(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}

/** What stands between `node` and the script in the Dockerfile's ENTRYPOINT. */
async function readFlags(): Promise<string[]> {
  const dockerfile = await readFile(join(repository, 'Dockerfile'), 'utf8');
  const entrypoint: unknown = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]');
  if (!Array.isArray(entrypoint) || entrypoint.length < 2) throw new Error('the Dockerfile has no ENTRYPOINT');
  return entrypoint.slice(1, -1).map(String);
}
