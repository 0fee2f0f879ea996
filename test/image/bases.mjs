/**
 * Base images made of what is on this machine, because none can be pulled without internet: the Node that runs this, with the
 * shared libraries that it needs; for the build also busybox's shell and npm.
 */

import { cp, mkdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { buildImage, ownPlatform, toDigest, toLayer } from '../harness/images.ts';
import { runTool } from '../harness/process.ts';

/** @param {string} folder for what is assembled, removed by the caller */
export async function buildBases(folder) {
  const node = await nodeLayer(join(folder, 'node'));
  const npm = await npmLayer(join(folder, 'npm'));
  const other = otherPlatform();
  // No image is run that is not for this machine: there something has to be, but not a Node.
  const marker = toLayer([{ kind: 'file', path: 'stand-in', content: Buffer.from(other.architecture) }]);
  return {
    build: buildImage({ layers: [node, npm] }),
    run: new Map([
      [ownPlatform().architecture, buildImage({ layers: [node] })],
      [other.architecture, buildImage({ layers: [marker], platform: other })],
    ]),
  };
}

function otherPlatform() {
  return { os: 'linux', architecture: ownPlatform().architecture === 'amd64' ? 'arm64' : 'amd64' };
}

/** Node where the official images have it. */
async function nodeLayer(root) {
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  await cp(process.execPath, join(root, 'usr/local/bin/node'), { dereference: true });
  for (const path of parseLibraries(await runTool('ldd', [process.execPath]))) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await cp(path, join(root, path), { dereference: true });
  }
  await mkdir(join(root, 'tmp'));
  return packLayer(root);
}

/** `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`, and the loader without an arrow; the kernel's vdso has no path. */
function parseLibraries(text) {
  return [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(/gm)].map(([, path]) => path);
}

async function npmLayer(root) {
  // `npm root --global` would say where the Node that runs it keeps packages, not where npm itself is.
  const command = (await runTool('sh', ['-c', 'command -v npm'])).trim();
  const npm = dirname(dirname(await realpath(command)));
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'lib'), { recursive: true });
  await cp(npm, join(root, 'lib/npm'), { recursive: true, dereference: true });
  await cp('/bin/busybox', join(root, 'bin/busybox'), { dereference: true });
  await symlink('busybox', join(root, 'bin/sh'));
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await symlink('../../bin/busybox', join(root, 'usr/bin/env'));
  await symlink('../usr/local/bin/node', join(root, 'bin/node'));
  await symlink('../lib/npm/bin/npm-cli.js', join(root, 'bin/npm'));
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  return packLayer(root);
}

async function packLayer(root) {
  const file = `${root}.tar`;
  await runTool('tar', ['--owner=0', '--group=0', '--numeric-owner', '-C', root, '-cf', file, '.']);
  const tar = await readFile(file);
  await rm(root, { recursive: true });
  await rm(file);
  const blob = gzipSync(tar, { level: 1 });
  return { digest: toDigest(blob), diffId: toDigest(tar), blob, unpackedBytes: tar.length };
}
