/**
 * In which order images go when the disk needs room: least recently used first, where time counts fourfold for an image that looks spent:
 * a newer one of its repository has replaced it, or it is its repository's only one and was used on the day it came and never again.
 *
 * Chosen by simulation (`npm run bench -- eviction`). It asks nothing of the ledger but when an image came and when it was last used.
 */

export interface EvictionImage {
  readonly id: string;
  /** Of all its names, tags and digests: `docker.io/library/busybox`. */
  readonly repositories: readonly string[];
  /** Build time, epoch ms; undefined: unknown. Only tells that an image is the older one, never when it was used. */
  readonly builtAt: number | undefined;
  /** Watched time since its last use, ms. */
  readonly unusedForMs: number;
  /** Watched time since it was pulled or first seen, ms. */
  readonly knownForMs: number;
}

/** How much faster time runs for an image that looks spent. Bounded, so that no image goes before one unused for four times as long. */
const spentFactor = 4;

/** A rolling update uses both versions for a while, and a job is tried twice on the day that its image comes. */
const overlapMs = 86_400_000;

/**
 * The candidates, who goes first in front; of two equals the one known longer, then by id, so that the same state gives the same order.
 * Sizes do not count: what an image frees is what it costs to pull again.
 * @param present every image of the node whose use is known, also those that stay: they tell what has been replaced
 */
export function orderForEviction<Candidate extends EvictionImage>(
  candidates: readonly Candidate[],
  present: readonly EvictionImage[],
): Candidate[] {
  const members = new Map<string, EvictionImage[]>();
  for (const image of present) {
    for (const repository of image.repositories) {
      const others = members.get(repository);
      if (others === undefined) members.set(repository, [image]);
      else others.push(image);
    }
  }
  return candidates
    .map((image) => ({ image, age: image.unusedForMs * (isSpent(image, members) ? spentFactor : 1) }))
    .toSorted((a, b) => b.age - a.age || b.image.knownForMs - a.image.knownForMs || (a.image.id < b.image.id ? -1 : 1))
    .map(({ image }) => image);
}

function isSpent(image: EvictionImage, members: ReadonlyMap<string, readonly EvictionImage[]>): boolean {
  const others = image.repositories.flatMap((name) => members.get(name) ?? []).filter(({ id }) => id !== image.id);
  if (others.length === 0) return image.knownForMs - image.unusedForMs < overlapMs;
  return others.some((other) => hasReplaced(other, image));
}

/** It came after the image, is not known to be an older build, and since then the image was used for a day at most. */
function hasReplaced(other: EvictionImage, image: EvictionImage): boolean {
  if (other.builtAt !== undefined && image.builtAt !== undefined && other.builtAt < image.builtAt) return false;
  return other.knownForMs < image.knownForMs && other.knownForMs < image.unusedForMs + overlapMs;
}
