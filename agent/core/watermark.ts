/** Levels of the image filesystem, and where a filesystem stands against them. */

import type { ImageFilesystem } from './node-images.ts';

/** All watermarks of one configuration are of the same kind. */
export type Watermark =
  | { readonly kind: 'used'; readonly ratio: number }
  | { readonly kind: 'free'; readonly bytes: number };

/**
 * The used share, 0 to 1, as the kubelet computes it for image garbage collection and eviction: one minus what an
 * unprivileged user may still write over the size. On ext4 with reserved blocks this is slightly more than `df` shows; our
 * watermarks have to compare with the kubelet's thresholds, and the two figures in the metrics give the same ratio.
 */
export function usedRatio(filesystem: ImageFilesystem): number {
  if (filesystem.sizeBytes <= 0) return 0;
  return Math.min(1, Math.max(0, 1 - filesystem.availBytes / filesystem.sizeBytes));
}

/** Bytes that have to be freed to come down to the watermark; 0 when the filesystem is at or below it. */
export function bytesAboveWatermark(filesystem: ImageFilesystem, watermark: Watermark): number {
  return Math.max(0, Math.ceil(availAtWatermark(filesystem, watermark) - filesystem.availBytes));
}

/** Whether writing `needBytes` more would take the filesystem above the watermark; true too when it is above already. */
export function wouldCross(filesystem: ImageFilesystem, watermark: Watermark, needBytes: number): boolean {
  return filesystem.availBytes - needBytes < availAtWatermark(filesystem, watermark);
}

function availAtWatermark(filesystem: ImageFilesystem, watermark: Watermark): number {
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
