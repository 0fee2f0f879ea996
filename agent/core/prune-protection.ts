/** Which images must stay whatever the disk says, and why. */

import { matchesPattern } from './artifact-selection.ts';
import type { RuntimeContainer, RuntimeImage } from './node-images.ts';
import type { KeepReason } from './prune-plan.ts';
import type { RepositoryPattern } from './repository-pattern.ts';
import type { LastUse } from './usage.ts';

export interface PruneProtection {
  readonly containers: readonly RuntimeContainer[];
  /** Names, as `storedName` writes them. */
  readonly desired: ReadonlySet<string>;
  /** Patterns of selected sets that nobody has resolved yet: what matches one may be desired. Absent: none. */
  readonly unresolved?: readonly RepositoryPattern[] | undefined;
  /** Names that are being pulled, and ids of the images that these pulls bring. */
  readonly pulling: ReadonlySet<string>;
  /** Image ids: the sandbox image, the agent's own. */
  readonly infrastructure: ReadonlySet<string>;
  readonly isKeptByRule: (image: RuntimeImage) => boolean;
  /** Watched time since an image was pulled or first seen that every tier honours. */
  readonly minimumAgeMs: number;
  /** Image ids of the newest of each repository. */
  readonly newest: ReadonlySet<string>;
  /** Image ids whose removal was tried in this run, and the runtime did not let them go. */
  readonly failed: ReadonlySet<string>;
}

export function namesOf({ tags, digests }: Pick<RuntimeImage, 'tags' | 'digests'>): string[] {
  return [...tags, ...digests];
}

/** Image ids and names that containers in any state refer to. */
export function toUsedImages(containers: readonly RuntimeContainer[]): ReadonlySet<string> {
  return new Set(
    containers.flatMap(({ imageIds, imageName }) => (imageName === undefined ? imageIds : [...imageIds, imageName])),
  );
}

/** The first reason in the closed list's order to keep the image; undefined: only its use and the disk decide. */
export function findProtection(
  image: RuntimeImage,
  used: ReadonlySet<string>,
  lastUse: LastUse | undefined,
  protection: PruneProtection,
): KeepReason | undefined {
  const names = [image.id, ...namesOf(image)];
  // What the runtime holds on to is in use by somebody, whoever it is.
  if (protection.failed.has(image.id) || names.some((name) => used.has(name))) return 'in_use';
  if (names.some((name) => protection.desired.has(name)) || mayBeMeant(image, protection)) return 'desired';
  if (names.some((name) => protection.pulling.has(name))) return 'pulling';
  if (protection.infrastructure.has(image.id)) return 'infrastructure';
  if (image.pinnedByOthers) return 'pinned';
  if (protection.isKeptByRule(image)) return 'keep_rule';
  if (lastUse !== undefined && lastUse.knownForMs < protection.minimumAgeMs) return 'too_young';
  if (protection.newest.has(image.id)) return 'keep_newest';
  return lastUse === undefined ? 'unknown_use' : undefined;
}

function mayBeMeant({ tags }: RuntimeImage, { unresolved = [] }: PruneProtection): boolean {
  return unresolved.some((pattern) =>
    // Most names are of other hosts, and that costs less to see.
    tags.some((tag) => tag.startsWith(`${pattern.registry}/`) && matchesPattern(pattern, tag)),
  );
}
