/** The pieces that images are made of on disk, and what comes back when the last user of one goes. */

export type PartStore = 'content' | 'snapshot' | 'layer';

/** Two images that have a part of the same key share it. */
export interface ImagePart {
  /** A blob's digest or a layer's chain id. */
  readonly key: string;
  readonly store: PartStore;
  /** Bytes on disk, as exactly as the runtime can tell. */
  readonly bytes: number;
  /** Files and folders on disk; 0 where the runtime does not tell. */
  readonly inodes: number;
}

/** How many images use each part. */
export class PartCounts {
  readonly #users = new Map<string, number>();

  constructor(images: Iterable<readonly ImagePart[]>) {
    for (const parts of images) for (const { key } of distinct(parts)) this.#users.set(key, this.usersOf(key) + 1);
  }

  usersOf(key: string): number {
    return this.#users.get(key) ?? 0;
  }

  /** Bytes that would come back if an image with these parts went now. */
  freedBy(parts: readonly ImagePart[]): number {
    return distinct(parts).reduce((sum, { key, bytes }) => (this.usersOf(key) <= 1 ? sum + bytes : sum), 0);
  }

  /** Takes the image away and returns the bytes that come back. */
  remove(parts: readonly ImagePart[]): number {
    const bytes = this.freedBy(parts);
    for (const { key } of distinct(parts)) this.#users.set(key, Math.max(0, this.usersOf(key) - 1));
    return bytes;
  }
}

/** The same empty layer may stand in an image several times. */
function distinct(parts: readonly ImagePart[]): ImagePart[] {
  return [...new Map(parts.map((part) => [part.key, part])).values()];
}
