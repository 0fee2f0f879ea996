import type { SemVer } from 'semver';
import coerceVersion from 'semver/functions/coerce.js';
import compareVersions from 'semver/functions/compare.js';
import parseVersion from 'semver/functions/parse.js';
import { type ImageReference, InvalidReferenceError, parseReference, repositoryName } from './image-reference.ts';
import type { ImageDetails, RuntimeImage } from './node-images.ts';

interface Member {
  readonly id: string;
  readonly builtAt: number;
  readonly version: SemVer | null;
}

/**
 * Ids of the newest `count` images of each repository: by build time, then by the version in their tags. Images whose build time
 * is unknown, and reproducible builds, which all carry the same one, are told apart by version alone; without one they are oldest.
 */
export function findNewest(
  images: readonly RuntimeImage[],
  details: ReadonlyMap<string, ImageDetails>,
  count: number,
): ReadonlySet<string> {
  if (count <= 0) return new Set();
  const repositories = new Map<string, Map<string, Member>>();
  for (const image of images) {
    // Reproducible builds say 1970, 1980 or the year 1; one of the year 1 is no older than one that says nothing.
    const builtAt = Math.max(0, details.get(image.id)?.builtAt ?? 0);
    for (const name of [...image.tags, ...image.digests]) {
      const reference = parseIfReference(name);
      if (reference === undefined) continue;
      const repository = repositoryName(reference);
      const members = repositories.get(repository) ?? new Map<string, Member>();
      repositories.set(repository, members);
      const version = toVersion(reference.tag);
      const member = { id: image.id, builtAt, version };
      const known = members.get(image.id);
      if (known === undefined || newestFirst(member, known) < 0) members.set(image.id, member);
    }
  }
  return new Set(
    [...repositories.values()].flatMap((members) =>
      [...members.values()]
        .toSorted(newestFirst)
        .slice(0, count)
        .map(({ id }) => id),
    ),
  );
}

/** Docker keeps names that are no references, such as those of images that were loaded from a file. */
function parseIfReference(name: string): ImageReference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined;
    throw error;
  }
}

/** Tags are seldom strict versions: `v2.9-cuda13` is 2.9.0. A digit in the middle of a name makes none. */
function toVersion(tag: string | undefined): SemVer | null {
  if (tag === undefined || !/^v?\d/.test(tag)) return null;
  return parseVersion(tag) ?? coerceVersion(tag);
}

function newestFirst(a: Member, b: Member): number {
  return b.builtAt - a.builtAt || byVersion(b, a) || (a.id < b.id ? -1 : 1);
}

function byVersion(a: Member, b: Member): number {
  if (a.version === null || b.version === null) return Number(a.version !== null) - Number(b.version !== null);
  return compareVersions(a.version, b.version);
}
