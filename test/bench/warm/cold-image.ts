/** The one image that all nodes want: an index of two platforms, of which the nodes have one. */

import { buildImage, buildIndex, buildLayer, type BuiltImage, type BuiltIndex } from '../../harness/images.ts';
import type { FakeImageSpec } from '../../fakes/fake-image.ts';
import { toPlatform } from '../../../agent/core/platform.ts';

export interface ColdImage {
  readonly index: BuiltIndex;
  /** What the nodes run. */
  readonly child: BuiltImage;
  /** Config and layers of the child, compressed. */
  readonly bytes: number;
  readonly blobs: number;
}

export const nodePlatform = toPlatform(process.platform, process.arch);
const otherPlatform = { os: 'linux', architecture: nodePlatform.architecture === 'arm64' ? 'amd64' : 'arm64' };

/** Sizes of layers by each other: a big one, as images have. */
const shares = [0.55, 0.25, 0.15, 0.05];

/** @param seed another one gives other bytes */
export function buildColdImage(seed: string, imageMib: number): ColdImage {
  const sizes = shares.map((share) => Math.round(share * imageMib * 1024 * 1024));
  const layers = sizes.map((sizeBytes, index) => buildLayer({ seed: `${seed} ${index}`, sizeBytes }));
  const { os, architecture } = nodePlatform;
  const child = buildImage({ layers, platform: { os, architecture } });
  const other = buildImage({
    layers: [buildLayer({ seed: `${seed} other`, sizeBytes: 1_000 })],
    platform: otherPlatform,
  });
  const bytes = child.config.length + layers.reduce((sum, { blob }) => sum + blob.length, 0);
  return { index: buildIndex([other, child]), child, bytes, blobs: 1 + layers.length };
}

/** What the simulated runtime holds of it once it is pulled. */
export function toRuntimeSpec({ child }: ColdImage): FakeImageSpec {
  return {
    id: child.configDigest,
    manifestDigest: child.manifestDigest,
    configBytes: child.config.length,
    layers: child.layers.map(({ digest, diffId, blob, unpackedBytes }) => ({
      digest,
      diffId,
      sizeBytes: blob.length,
      unpackedBytes,
    })),
    platform: `${nodePlatform.os}/${nodePlatform.architecture}`,
  };
}
