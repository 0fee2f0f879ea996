/** Images of the fake image source: an index or a single manifest with made-up digests. */

import type { Failure } from '../../agent/core/failure.ts';
import type { ManifestLayer } from '../../agent/core/manifest.ts';
import { formatPlatform, type Platform, toPlatformCandidates } from '../../agent/core/platform.ts';
import type { SourceChildren, SourceImage, SourcePlatform, SourceRefusal } from '../../agent/registry/image-source.ts';
import { fakeDigest } from './fake-registry.ts';

export interface FakeSourceImage {
  readonly digest: string;
  readonly isIndex: boolean;
  readonly children: readonly SourcePlatform[];
}

const defaultLayers = [{ name: 'base', sizeBytes: 1_000 }];

/** An index. Children of equal seed and platform are the same whatever `indexSeed` says; layers of equal name are the same blob. */
export function fakeSourceIndex(
  seed: string,
  platforms: readonly Platform[],
  options: { indexSeed?: string; layers?: readonly { name: string; sizeBytes: number }[] } = {},
): FakeSourceImage {
  const children = platforms.map((platform) => fakeChild(seed, platform, options.layers ?? defaultLayers));
  return { digest: fakeDigest(`index ${options.indexSeed ?? seed}`), isIndex: true, children };
}

/** A manifest without an index. */
export function fakeSourceSingle(
  seed: string,
  layers: readonly { name: string; sizeBytes: number }[] = defaultLayers,
): FakeSourceImage {
  const child = fakeChild(seed, { os: 'linux', architecture: 'amd64' }, layers);
  return { digest: child.digest, isIndex: false, children: [child] };
}

function fakeChild(
  seed: string,
  platform: Platform,
  layers: readonly { name: string; sizeBytes: number }[],
): SourcePlatform {
  const name = `${seed} ${formatPlatform(platform)}`;
  const own: ManifestLayer = { digest: fakeDigest(`layer ${name}`), sizeBytes: 500 };
  return {
    platform,
    digest: fakeDigest(`manifest ${name}`),
    config: { digest: fakeDigest(`config ${name}`), sizeBytes: 300 },
    layers: [...layers.map((layer) => ({ digest: fakeDigest(layer.name), sizeBytes: layer.sizeBytes })), own],
  };
}

export function readFakeImage(
  image: FakeSourceImage,
  wanted: readonly Platform[],
  refusalOf: (digest: string) => Failure | undefined,
): SourceImage {
  const { digest, isIndex, children } = image;
  const platforms: SourcePlatform[] = [];
  const missing: Platform[] = [];
  const refused: SourceRefusal[] = [];
  for (const platform of wanted) {
    const child = isIndex ? toPlatformCandidates(platform, children)[0] : children[0];
    const failure = child === undefined || !isIndex ? undefined : refusalOf(child.digest);
    if (child === undefined) missing.push(platform);
    else if (failure === undefined) platforms.push({ ...child, platform });
    else refused.push({ platform, digest: child.digest, failure });
  }
  return { digest, isIndex, platforms, missing, ...(refused.length === 0 ? {} : { refused }) };
}

export function readFakeChildren(image: FakeSourceImage, wanted: readonly Platform[]): SourceChildren {
  const { digest, isIndex, platforms, missing } = readFakeImage(image, wanted, () => undefined);
  const children = platforms.map((one) => ({ platform: one.platform, digest: one.digest }));
  return { digest, isIndex, children, missing, unknown: [] };
}
