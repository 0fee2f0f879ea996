/** The runtime versions that the matrix knows, and where their programs come from. Plain JavaScript: see ../harness/setup.mjs. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/**
 * `version`: how the upstream version begins; of several, the newest is taken.
 * `flags`: for the daemon, after those of the harness.
 */
export const versions = [
  { name: 'containerd-1.6', daemon: 'containerd', version: '1.6.' },
  { name: 'containerd-1.7', daemon: 'containerd', version: '1.7.' },
  { name: 'containerd-2', daemon: 'containerd', version: '2.' },
  { name: 'docker-20.10', daemon: 'dockerd', version: '20.10.' },
  { name: 'docker-26', daemon: 'dockerd', version: '26.' },
  { name: 'docker-28', daemon: 'dockerd', version: '28.' },
  // The image store that new installations get from Docker 29 on.
  {
    name: 'docker-28-containerd-store',
    daemon: 'dockerd',
    version: '28.',
    flags: '--feature=containerd-snapshotter=true --storage-driver=overlayfs',
  },
];

const containerdPrograms = ['containerd', 'containerd-shim-runc-v2', 'ctr'];

/** Of each daemon, the packages and what we take of them. runc is the machine's: newer ones ask for a newer libc, and it is not what is tested. */
const packagesOf = {
  containerd: { containerd: containerdPrograms },
  // Since Debian 13 Docker's command line is a package of its own.
  dockerd: {
    'docker.io': ['dockerd', 'docker', 'docker-proxy'],
    'docker-cli': ['docker'],
    containerd: containerdPrograms,
  },
};

const mainPackages = { containerd: 'containerd', dockerd: 'docker.io' };

/**
 * @param {object} wanted one of `versions`
 * @param {string} folder private to us, kept between runs
 * @param suites see `openSuites`; opened only when something has to be fetched
 * @returns {Promise<{ bin: string | undefined, version: string, source: string }>} `bin` undefined: what is on the path already
 * @throws Error that says why it cannot be had
 */
export async function provide(wanted, folder, suites) {
  const installed = await readVersion(wanted.daemon, undefined);
  if (installed?.startsWith(wanted.version) && wanted.flags === undefined)
    return { bin: undefined, version: installed, source: 'installed' };
  const bin = join(folder, wanted.name);
  if (!existsSync(bin)) await assemble(wanted, folder, bin, suites);
  const version = await readVersion(wanted.daemon, bin);
  if (version?.startsWith(wanted.version)) return { bin, version, source: await readFile(join(bin, 'source'), 'utf8') };
  throw new Error(
    `${join(bin, wanted.daemon)} ${version === undefined ? 'does not start here' : `says that it is ${version}`}`,
  );
}

async function assemble({ daemon, version: prefix, flags = '' }, folder, bin, suites) {
  const main = mainPackages[daemon];
  const version = await suites.find(main, prefix);
  const work = await mkdtemp(join(folder, 'linking-'));
  try {
    for (const [name, programs] of Object.entries(packagesOf[daemon])) {
      const ofPackage = name === main ? version : await suites.findBeside(name, main, version);
      if (ofPackage === undefined) continue;
      const files = await suites.unpack(name, ofPackage);
      for (const program of programs) await link(files, program, work, program === daemon ? flags : '');
    }
    await writeFile(join(work, 'source'), `Debian's ${main} ${version}`);
    await rename(work, bin);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function link(files, program, bin, flags) {
  const found = ['usr/bin', 'usr/sbin'].map((place) => join(files, place, program)).find((path) => existsSync(path));
  if (found === undefined) return;
  const target = relative(bin, found);
  if (flags === '') await symlink(target, join(bin, program));
  else
    await writeFile(join(bin, program), `#!/bin/sh\nexec "$(dirname "$0")/${target}" "$@" ${flags}\n`, { mode: 0o755 });
}

/** Undefined when there is none or it does not start. */
async function readVersion(daemon, bin) {
  const program = bin === undefined ? daemon : join(bin, daemon);
  const { stdout } = await runFile(program, ['--version']).catch(() => ({ stdout: '' }));
  return /\sv?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}
