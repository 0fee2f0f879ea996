import type { HandWarmEvent } from '../coordinator/hand-warming-events.ts';

export interface ImageProgress {
  readonly totalBytes: number;
  /** What Harbor has of it, as far as is known. */
  readonly localBytes: number;
  /** Harbor has every blob; what is left is its own storing of the manifest, some 20 s. */
  readonly isStoring: boolean;
}

interface Known {
  readonly totalBytes: number;
  readonly missingBlobs: number;
  readonly before: number;
  /** Bytes of blobs that are there now, or read so far, by digest. */
  readonly blobs: Map<string, number>;
  readonly warm: Set<string>;
}

/** Adds up how far each image is. */
export class WarmProgress {
  readonly #images = new Map<string, Known>();

  /** @returns undefined: it says nothing about how far an image is */
  note(event: HandWarmEvent): ImageProgress | undefined {
    if (event.kind === 'image_read') {
      const { blobs, localBlobs, bytes, localBytes } = event;
      const missingBlobs = blobs - localBlobs;
      const known = { totalBytes: bytes, missingBlobs, before: localBytes, blobs: new Map(), warm: new Set<string>() };
      this.#images.set(event.reference, known);
      return toProgress(known);
    }
    if (event.kind !== 'blob_read' && event.kind !== 'blob_warm') return undefined;
    const known = this.#images.get(event.reference);
    if (known === undefined) return undefined;
    const { digest, bytes } = event;
    if (event.kind === 'blob_read') known.blobs.set(digest, (known.blobs.get(digest) ?? 0) + bytes);
    else {
      known.blobs.set(digest, bytes);
      known.warm.add(digest);
    }
    return toProgress(known);
  }
}

function toProgress({ totalBytes, missingBlobs, before, blobs, warm }: Known): ImageProgress {
  const now = blobs.values().reduce((sum, bytes) => sum + bytes, before);
  return { totalBytes, localBytes: Math.min(totalBytes, now), isStoring: warm.size >= missingBlobs };
}
