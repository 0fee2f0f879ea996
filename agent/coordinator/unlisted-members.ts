import { maxMembers } from '../core/artifact-selection.ts';
import { parseReference, repositoryOf } from '../core/image-reference.ts';
import type { TagRule } from '../core/repository-pattern.ts';
import { newestFirst } from '../core/tag-order.ts';

/** A tag of a pattern: one that Harbor lists and the rule takes, or a member of before that Harbor lists no more. */
export interface RankedMember {
  readonly reference: string;
  readonly tag: string;
  readonly pushedAt: number | undefined;
  readonly isListed: boolean;
}

export function toRankedMember(reference: string, pushedAt: number | undefined, isListed: boolean): RankedMember {
  return { reference, tag: parseReference(reference).tag ?? '', pushedAt, isListed };
}

export interface Ranked {
  readonly members: readonly RankedMember[];
  /** Listed ones that others, which are listed no more, push out. */
  readonly older: readonly RankedMember[];
}

/**
 * The newest of each repository. Members that are listed no more keep their place among those that are: a cache that forgot one brings no older one
 * back, and the next release pushes it out like any other.
 * @param isThere asked only of unlisted ones that would be members, in order
 */
export async function takeNewest(
  tags: TagRule,
  candidates: readonly RankedMember[],
  isThere: (reference: string) => Promise<boolean>,
): Promise<Ranked> {
  const most = tags.newest ?? Number.POSITIVE_INFINITY;
  const counts = new Map<string, number>();
  const members: RankedMember[] = [];
  const older: RankedMember[] = [];
  let room = maxMembers - candidates.filter(({ isListed }) => isListed).length;
  for (const candidate of candidates.toSorted(newestFirst(tags))) {
    const { reference, isListed } = candidate;
    const repository = repositoryOf(reference);
    const count = counts.get(repository) ?? 0;
    if (count >= most) {
      if (isListed) {
        older.push(candidate);
        room += 1;
      }
      continue;
    }
    if (!isListed) {
      if (room <= 0 || !(await isThere(reference))) continue;
      room -= 1;
    }
    counts.set(repository, count + 1);
    members.push(candidate);
  }
  return { members, older };
}
