/** What `npm run build` makes runs by itself, as it does in the container image. */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { bundledAgent } from './bundle.ts';

let folder: string;
let prefix: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stv-bundled-'));
  prefix = await bundledAgent();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function runBundle(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const [program = '', ...first] = prefix;
  return new Promise((resolve) => {
    execFile(program, [...first, ...args], { cwd: folder, timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

async function writeConfiguration(text: string): Promise<string> {
  const file = join(folder, 'config.yaml');
  await writeFile(file, text);
  return file;
}

test('it lies where no node_modules can help it', async () => {
  let path = dirname(prefix.at(-1) ?? '');
  for (; path !== dirname(path); path = dirname(path)) expect(await readdir(path)).not.toContain('node_modules');
});

test('--version says what package.json says', async () => {
  expect(await runBundle('--version')).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

test('check passes a good configuration', async () => {
  const file = await writeConfiguration('imageSets:\n  - name: base\n    images: [harbor.example.com/a/b:1]\n');
  const { code, stdout, stderr } = await runBundle('check', file);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('1 image set');
});

test('check lists the mistakes of a bad one and exits with 1', async () => {
  const file = await writeConfiguration('imageSetz: []\n');
  const { code, stdout } = await runBundle('check', file);
  expect(code).toBe(1);
  expect(stdout).toContain('imageSetz');
});

test('a wrong command line exits with 2', async () => {
  const { code, stderr } = await runBundle('--no-such-option');
  expect(code).toBe(2);
  expect(stderr).toContain('--no-such-option');
});

// A client library is only loaded when it is needed, so that a missing part of it would not show before.
test.each(['docker', 'containerd'])(
  'the client library for %s is in it: what fails is the connection',
  async (runtime) => {
    const file = await writeConfiguration('imageSets: []\n');
    const endpoint = `unix://${join(folder, 'nothing.sock')}`;
    const options = ['--config', file, '--state-dir', folder, '--runtime', runtime, '--endpoint', endpoint];
    const { code, stderr } = await runBundle('plan', ...options);
    expect(code).toBe(1);
    expect(stderr).toContain('nothing.sock');
  },
);

test('the licences of what is bundled are beside it', async () => {
  const licences = await readFile(join(dirname(prefix.at(-1) ?? ''), 'THIRD-PARTY-LICENSES'), 'utf8');
  for (const name of ['undici', 'dockerode', '@grpc/grpc-js', 'zod', 'pino']) {
    expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
  }
});
