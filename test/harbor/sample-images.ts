import { type BuiltImage, type BuiltIndex, buildImage, buildIndex, buildLayer } from '../harness/images.ts';

let seeds = 0;

/** Never the same twice, and of its platform alone. */
export function makeImage(sizes: readonly number[] = [3_000], architecture = 'amd64'): BuiltImage {
  seeds += 1;
  const seed = `${process.pid}-${Date.now()}-${seeds}`;
  const layers = sizes.map((sizeBytes, index) => buildLayer({ seed: `${seed}-${index}`, sizeBytes }));
  return buildImage({ layers, platform: { os: 'linux', architecture } });
}

/** For amd64 and arm64. */
export function makeIndex(sizes: readonly number[] = [3_000]): BuiltIndex {
  return buildIndex([makeImage(sizes, 'amd64'), makeImage(sizes, 'arm64')]);
}

/** Config and layers of an image, each once. */
export function blobsOf(images: readonly BuiltImage[]): ReadonlyMap<string, number> {
  return new Map(
    images.flatMap(({ configDigest, config, layers }) => [
      [configDigest, config.length] as const,
      ...layers.map(({ digest, blob }) => [digest, blob.length] as const),
    ]),
  );
}
