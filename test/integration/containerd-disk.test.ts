/** What `listImageParts` says of a real containerd, against what its filesystem says before and after a removal. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { PartCounts } from '../../agent/core/image-parts.ts';
import { createContainerdRuntime } from '../../agent/runtime/containerd/containerd-runtime.ts';
import type { Runtime } from '../../agent/runtime/runtime.ts';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type BuiltImage, buildImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { readDisk } from '../harness/small-disk.ts';

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

describeWith([...needs.containerd, ...needs.registry, ...needs.smallDisk], 'what images take on containerd', () => {
  let containerd: Containerd;
  let registry: TestRegistry;
  let runtime: Runtime;

  beforeAll(async () => {
    const disk = { sizeBytes: 400 * 1024 * 1024, blockBytes: 4096 };
    containerd = await startContainerd(bin === undefined ? { disk } : { disk, bin });
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
  });

  it.each(samples)('is told as the filesystem tells it: %s', async (_name, { configDigest }) => {
    const parts = await runtime.listImageParts(soon());
    const told = new PartCounts(parts.values()).freedBy(parts.get(configDigest) ?? []);
    const before = await readDisk(containerd.root);
    expect(await runtime.removeImage(configDigest, soon())).toMatchObject({ kind: 'removed' });
    const after = await readDisk(containerd.root);
    const freedBytes = after.availBytes - before.availBytes;
    expect(Math.abs(told.bytes - freedBytes)).toBeLessThanOrEqual(Math.max(0.002 * freedBytes, othersBytes));
    expect(told.inodes).toBe(after.filesFree - before.filesFree);
  });
});
