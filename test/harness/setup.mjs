/**
 * Set-up for everything that starts from a bare clone (tests, demo, bench): npm packages, Node 24 first on the path, Debian
 * packages. Plain JavaScript without dependencies, because it runs on the machine's own Node (20 or newer) before `npm ci`.
 */

import { spawn } from 'node:child_process';
import { existsSync, lstatSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from './debian.mjs';

export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Debian packages, and the programs that we take from each: what is there from elsewhere is as good. */
const programsOf = {
  'busybox-static': ['/bin/busybox'],
  containerd: ['containerd', 'containerd-shim-runc-v2', 'ctr'],
  'docker.io': ['dockerd', 'docker'],
  'docker-registry': ['docker-registry'],
  e2fsprogs: ['mkfs.ext4'],
  openssl: ['openssl'],
  prometheus: ['promtool'],
  runc: ['runc'],
};

/** What the tests need; the demo and the bench name their own. */
export const testPackages = Object.keys(programsOf);

/**
 * @param {{ debian?: readonly string[] }} [options] Debian packages to install where their programs are missing
 * @returns {Promise<{ missing: string[] }>} one line with the reason for each package that could not be installed
 * @throws Error when `npm ci` fails
 */
export async function setUp({ debian = [] } = {}) {
  await installNodeModules();
  const path = (process.env.PATH ?? '').split(delimiter);
  // First Node 24 and our tools; last the folders of daemons, which a user's path may lack.
  process.env.PATH = [...new Set([join(repository, 'node_modules/.bin'), ...path, '/usr/sbin', '/sbin'])].join(
    delimiter,
  );
  const absent = debian.filter((name) => !hasPrograms(name));
  if (absent.length === 0) return { missing: [] };
  const refusal = await installPackages(absent, run);
  const missing = absent.filter((name) => !hasPrograms(name));
  return { missing: missing.map((name) => `${name} is not installed: ${refusal ?? 'its package lacks what we need'}`) };
}

/** Runs a command in the repository with its output shown. Gives its exit code: 127 when there is no such command. */
export function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: repository, env: { ...process.env, ...env }, stdio: 'inherit' });
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function installNodeModules() {
  const lockFile = join(repository, 'package-lock.json');
  const installed = join(repository, 'node_modules/.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockFile).mtimeMs) return;
  // `npm ci` empties what a link leads to, which is somebody else's.
  const modules = lstatSync(join(repository, 'node_modules'), { throwIfNoEntry: false });
  if (modules?.isSymbolicLink()) throw new Error('node_modules is a symbolic link to older packages: remove the link');
  console.log('Set-up: npm ci');
  const code = await run('npm', ['ci', '--include=dev']);
  if (code !== 0) throw new Error(`npm ci failed with exit code ${code}`);
}

function hasPrograms(name) {
  const programs = programsOf[name];
  if (programs === undefined) throw new Error(`test/harness/setup.mjs does not say which programs ${name} brings`);
  const folders = (process.env.PATH ?? '').split(delimiter);
  return programs.every((program) =>
    program.startsWith('/') ? existsSync(program) : folders.some((folder) => existsSync(join(folder, program))),
  );
}
