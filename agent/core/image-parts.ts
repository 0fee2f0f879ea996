/** The pieces that images are made of on disk, and what comes back when the last user of one goes. */

export const partStores = ['content', 'snapshot', 'layer'] as const;
export type PartStore = (typeof partStores)[number];

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

/** What parts take on disk. */
export interface PartSum {
  readonly bytes: number;
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

  /** What would come back if an image with these parts went now. */
  freedBy(parts: readonly ImagePart[]): PartSum {
    return sumParts(distinct(parts).filter(({ key }) => this.usersOf(key) <= 1));
  }

  /** Takes the image away and returns what comes back. */
  remove(parts: readonly ImagePart[]): PartSum {
    const freed = this.freedBy(parts);
    for (const { key } of distinct(parts)) this.#users.set(key, Math.max(0, this.usersOf(key) - 1));
    return freed;
  }
}

export function sumParts(parts: readonly ImagePart[]): PartSum {
  let [bytes, inodes] = [0, 0];
  for (const part of parts) {
    bytes += part.bytes;
    inodes += part.inodes;
  }
  return { bytes, inodes };
}

/** Bytes by where they are stored, each part once. */
export function bytesByStore(parts: Iterable<ImagePart>): Record<PartStore, number> {
  const bytes = { content: 0, snapshot: 0, layer: 0 };
  for (const part of distinct([...parts])) bytes[part.store] += part.bytes;
  return bytes;
}

/** The same empty layer may stand in an image several times. */
function distinct(parts: readonly ImagePart[]): ImagePart[] {
  return [...new Map(parts.map((part) => [part.key, part])).values()];
}
