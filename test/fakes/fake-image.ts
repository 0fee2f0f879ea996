/** Images as plain data for the fakes: digests are hashes of seeds, sizes are numbers, nothing has content. */

import { createHash } from 'node:crypto';
import { toChainIds } from '../../agent/core/layers.ts';
import type { ManifestSummary } from '../../agent/core/manifest.ts';
import type { ImageDetails } from '../../agent/core/node-images.ts';

export interface FakeLayer {
  readonly digest: string;
  readonly diffId: string;
  /** Compressed. */
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
  /** Files and folders when it is unpacked; default 10. */
  readonly inodes?: number;
}

export interface FakeImage {
  /** The config digest. */
  readonly id: string;
  readonly manifestDigest: string;
  readonly configBytes: number;
  readonly layers: readonly FakeLayer[];
  readonly chainIds: readonly string[];
  readonly platform: string;
  readonly details: ImageDetails;
}

export interface FakeImageSpec {
  /** A bare number is a layer of that many compressed bytes that no other image has. */
  readonly layers: readonly (FakeLayer | number)[];
  readonly id?: string;
  readonly manifestDigest?: string;
  readonly configBytes?: number;
  readonly platform?: string;
  /** Build time, epoch ms. */
  readonly builtAt?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export function fakeDigest(seed: string): string {
  return `sha256:${createHash('sha256').update(seed).digest('hex')}`;
}

/** The same seed and size give the same layer: that is how images share one. */
export function fakeLayer(seed: string, sizeBytes: number, unpackedBytes = 2 * sizeBytes): FakeLayer {
  const name = `${seed} ${sizeBytes}`;
  return { digest: fakeDigest(`blob ${name}`), diffId: fakeDigest(`diff ${name}`), sizeBytes, unpackedBytes };
}

/** @param seed makes layers that are given as numbers this image's own. */
export function fakeImage(seed: string, spec: FakeImageSpec): FakeImage {
  const layers = spec.layers.map((layer, index) =>
    typeof layer === 'number' ? fakeLayer(`${seed} ${index}`, layer) : layer,
  );
  const platform = spec.platform ?? 'linux/amd64';
  const { builtAt, labels = {} } = spec;
  const more = builtAt === undefined && spec.labels === undefined ? '' : JSON.stringify([builtAt, labels]);
  const content = `${platform} ${layers.map((layer) => layer.diffId).join(' ')}${more}`;
  return {
    id: spec.id ?? fakeDigest(`config ${content}`),
    manifestDigest: spec.manifestDigest ?? fakeDigest(`manifest ${content}`),
    configBytes: spec.configBytes ?? 100,
    layers,
    chainIds: toChainIds(layers.map((layer) => layer.diffId)),
    platform,
    details: { builtAt, labels },
  };
}

export interface FakeBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  /** The chain id whose presence makes this blob unnecessary; undefined for the config. */
  readonly chainId: string | undefined;
}

/** The config and the layers, in the order in which they are fetched. */
export function toBlobs(image: FakeImage): FakeBlob[] {
  const layers = image.layers.map(({ digest, sizeBytes }, index) => ({
    digest,
    sizeBytes,
    chainId: image.chainIds[index],
  }));
  return [{ digest: image.id, sizeBytes: image.configBytes, chainId: undefined }, ...layers];
}

/** What the registry port says of it. */
export function toManifestSummary(image: FakeImage): ManifestSummary {
  return {
    digest: image.manifestDigest,
    manifestDigest: image.manifestDigest,
    imageId: image.id,
    configBytes: image.configBytes,
    layers: image.layers.map(({ digest, sizeBytes }) => ({ digest, sizeBytes })),
    chainIds: image.chainIds,
  };
}
