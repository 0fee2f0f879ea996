/** What images are made of on a fake runtime's disk. Pure. */

import type { ImagePart } from '../../agent/core/image-parts.ts';
import { toBlobs } from './fake-image.ts';
import type { FakeImage, FakeLayer } from './fake-image.ts';

export interface PartRules {
  /** Docker says unpacked bytes and keeps no blobs. */
  readonly sizes: 'compressed' | 'unpacked';
  /**
   * `exact`: blobs and snapshots, as they are on the disk; `layers`: unpacked layers by their nominal size, which is below what they take;
   * `whole`: each image as one.
   */
  readonly parts: 'exact' | 'layers' | 'whole';
}

export function toNominalBytes(image: FakeImage, { sizes }: PartRules): number {
  const parts = sizes === 'unpacked' ? image.layers.map((layer) => layer.unpackedBytes) : toBlobs(image).map(toSize);
  return parts.reduce((total, bytes) => total + bytes, 0);
}

/** @param isPresent of a blob's digest or a chain id */
export function toParts(image: FakeImage, rules: PartRules, isPresent: (key: string) => boolean): ImagePart[] {
  if (rules.parts === 'whole') {
    return [{ key: image.id, store: 'layer', bytes: toNominalBytes(image, rules), inodes: 0 }];
  }
  const layers = image.layers.map((layer, index): ImagePart => {
    const key = image.chainIds[index] ?? '';
    return rules.parts === 'layers'
      ? { key, store: 'layer', bytes: layer.unpackedBytes, inodes: 0 }
      : { key, store: 'snapshot', ...unpackedPart(layer, rules) };
  });
  const blobs = toBlobs(image).map(
    ({ digest, sizeBytes }): ImagePart => ({ key: digest, store: 'content', bytes: sizeBytes, inodes: 1 }),
  );
  const parts = rules.parts === 'layers' ? layers : [...blobs, ...layers];
  return [...new Map(parts.map((part) => [part.key, part])).values()].filter(({ key }) => isPresent(key));
}

/** What a layer really takes: where sizes are nominal, a sixteenth more than they say. */
export function unpackedPart(layer: FakeLayer, { parts }: PartRules): { bytes: number; inodes: number } {
  const extraBytes = parts === 'layers' ? Math.ceil(layer.unpackedBytes / 16) : 0;
  return { bytes: layer.unpackedBytes + extraBytes, inodes: layer.inodes ?? 10 };
}

function toSize({ sizeBytes }: { readonly sizeBytes: number }): number {
  return sizeBytes;
}
