/** Levels of the image filesystem, and where a filesystem stands against them. */

import type { ImageFilesystem } from './node-images.ts';

/** All watermarks of one configuration are of the same kind. */
export type Watermark =
  | { readonly kind: 'used'; readonly ratio: number }
  | { readonly kind: 'free'; readonly bytes: number };

/** Whether writing `needBytes` more would take the filesystem above the watermark; true too when it is above already. */
export function wouldCross(filesystem: ImageFilesystem, watermark: Watermark, needBytes: number): boolean {
  return filesystem.availBytes - needBytes < availAtWatermark(filesystem, watermark);
}

/**
 * Bytes that are free when the filesystem stands exactly at the watermark. The used share is what the kubelet compares with its
 * thresholds for image garbage collection and eviction: one minus what an unprivileged user may still write over the size; on ext4
 * with reserved blocks slightly more than `df` shows.
 */
export function availAtWatermark(filesystem: ImageFilesystem, watermark: Watermark): number {
  switch (watermark.kind) {
    case 'used':
      // Rounded: 100 * (1 - 0.9) is 9.999… in floating point, and a filesystem exactly at its mark is not above it.
      return Math.round(filesystem.sizeBytes * (1 - watermark.ratio));
    case 'free':
      return watermark.bytes;
  }
}

/** The watermark as a used ratio, 0 to 1, whichever way it was written: for comparing and for metrics. */
export function watermarkRatio(filesystem: ImageFilesystem, watermark: Watermark): number {
  if (watermark.kind === 'used') return watermark.ratio;
  return filesystem.sizeBytes <= 0 ? 0 : Math.max(0, 1 - watermark.bytes / filesystem.sizeBytes);
}

/**
 * Inodes that are free when the filesystem stands exactly at the watermark. A percentage counts for inodes as for bytes; free space
 * says nothing of them. Filesystems that make inodes as they need them (btrfs) report none.
 */
export function filesFreeAtWatermark({ files }: ImageFilesystem, watermark: Watermark): number {
  return watermark.kind === 'free' || files <= 0 ? 0 : Math.round(files * (1 - watermark.ratio));
}
