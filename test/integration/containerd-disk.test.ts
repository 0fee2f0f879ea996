/** What `listImageParts` says of a real containerd, against what its filesystem says before and after a removal. */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PartCounts } from '../../agent/core/image-parts.ts';
import { createContainerdRuntime } from '../../agent/runtime/containerd/containerd-runtime.ts';
import type { Runtime } from '../../agent/runtime/runtime.ts';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type BuiltImage, buildImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';

/** containerd's database and log, which share the filesystem, grow by some blocks meanwhile. */
const othersBytes = 16_384;
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const bin = process.env['STEVEDORE_TEST_CONTAINERD_BIN'];

const layer = (seed: string, sizeBytes: number, files: number) =>
  buildLayer({ seed, sizeBytes, files, compressibility: 0.5 });
const base = layer('disk base', 8e6, 200);
const middle = layer('disk middle', 3e6, 50);
const small = layer('disk small', 30e3, 3);

/** In the order of their removal: the first two free what only they have, the last ones what they shared. */
const samples: readonly (readonly [string, BuiltImage])[] = [
  ['large', buildImage({ layers: [base, middle, layer('disk top', 12e6, 500)] })],
  ['tiny', buildImage({ layers: [base, small] })],
  ['many-files', buildImage({ layers: [base, middle, layer('disk many', 8e6, 1500), small] })],
  ['last', buildImage({ layers: [small] })],
];

const title = 'what images take on containerd';
if (existsSync('/dev/loop-control')) describeWith([...needs.containerd, ...needs.registry], title, measureOnDisk);
else if (process.env['CI'] === 'true') throw new Error(`${title} cannot run: no loop devices`);
else describe.skip(`${title} (not run: no loop devices)`, measureOnDisk);

function measureOnDisk(): void {
  let folder: Folder;
  let disk: string;
  let containerd: Containerd;
  let registry: TestRegistry;
  let runtime: Runtime;

  beforeAll(async () => {
    folder = await makeFolder('stv-d');
    disk = await mountDisk(folder.path);
    containerd = await startOn(disk);
    registry = await startRegistry();
    runtime = createContainerdRuntime({ endpoint: containerd.endpoint });
    for (const [name, image] of samples) {
      await registry.push(`disk/${name}`, '1', image);
      const reference = `${registry.host}/disk/${name}:1`;
      await runtime.pull({ reference, credential: undefined, expected: undefined, onProgress: () => {} }, soon());
    }
  });
  afterAll(async () => {
    runtime?.close();
    await Promise.all([containerd?.remove(), registry?.remove()]);
    await folder?.remove();
  });

  it.each(samples)('is told as the filesystem tells it: %s', async (_name, { configDigest }) => {
    const parts = await runtime.listImageParts(soon());
    const told = new PartCounts(parts.values()).freedBy(parts.get(configDigest) ?? []);
    const before = await readDisk(disk);
    expect(await runtime.removeImage(configDigest, soon())).toMatchObject({ kind: 'removed' });
    const after = await readDisk(disk);
    const freedBytes = before.bytes - after.bytes;
    expect(Math.abs(told.bytes - freedBytes)).toBeLessThanOrEqual(Math.max(0.002 * freedBytes, othersBytes));
    expect(told.inodes).toBe(before.inodes - after.inodes);
  });
}

/** A filesystem of its own with the blocks that a node's has; the folder's reaper unmounts it. */
async function mountDisk(path: string): Promise<string> {
  const file = join(path, 'disk.img');
  const mountpoint = join(path, 'm');
  await mkdir(mountpoint);
  execFileSync('truncate', ['--size', '400M', file]);
  execFileSync('mkfs.ext4', ['-q', '-b', '4096', file]);
  execFileSync('mount', ['-o', 'loop', file, mountpoint]);
  return mountpoint;
}

/** The harness makes its folders where temporary files go. */
async function startOn(path: string): Promise<Containerd> {
  const { TMPDIR: before } = process.env;
  process.env['TMPDIR'] = path;
  try {
    return await startContainerd(bin === undefined ? {} : { bin });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}

async function readDisk(path: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
  execFileSync('sync', ['--file-system', path]);
  const { blocks, bfree, bsize, files, ffree } = await statfs(path);
  return { bytes: (blocks - bfree) * bsize, inodes: files - ffree };
}
