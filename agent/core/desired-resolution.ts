/** What was published of a reference or a pattern, as far as this node believes it. Pure. */

import { matchesPattern, maxMembers } from './artifact-selection.ts';
import { parseReference, repositoryName, repositoryOf } from './image-reference.ts';
import { normalisePlatform, parsePlatform, type Platform, rankPlatform } from './platform.ts';
import { patternKey, type RepositoryPattern } from './repository-pattern.ts';
import type { ResolvedFailure, ResolvedPlatform, ResolvedImage, Resolutions } from './resolution.ts';
import { newestFirst } from './tag-order.ts';

/** What counts on this node of what was resolved. */
export interface ResolutionView {
  readonly resolutions: Resolutions;
  /** The node's own. */
  readonly platform: Platform;
  /** The runtime can give a pulled digest the name of its tag: images behind a proxy cache are then pulled by their child's digest. */
  readonly pullsChildren: boolean;
  /** Hosts of `registries` with `harbor: true`. */
  readonly harborHosts: ReadonlySet<string>;
}

/** What a reference was found to be. */
export interface DesiredResolution {
  /** Of the index where there is one; undefined: never found. */
  readonly digest: string | undefined;
  /** What this node's platform gets; undefined: not known, or the image has none that runs here. */
  readonly child: ResolvedPlatform | undefined;
  /** Behind a Harbor proxy-cache project: a digest of the index says nothing there, only the child's does. */
  readonly isProxied: boolean;
  /** Of the image or of the child; undefined: it is given out. */
  readonly refusal: ResolvedFailure | undefined;
  /** Of the last attempt to find out; everything else is as it was before. */
  readonly failure?: ResolvedFailure;
}

export function toDesiredResolution(reference: string, view: ResolutionView): DesiredResolution | undefined {
  const image = view.resolutions.images.get(reference);
  if (image === undefined) return undefined;
  const child = chooseChild(image, view.platform);
  return {
    digest: image.digest,
    child,
    // Only a Harbor has proxy-cache projects.
    isProxied: image.isProxied && view.harborHosts.has(parseReference(reference).registry),
    refusal: image.refusal ?? child?.refusal,
    ...(image.failure === undefined ? {} : { failure: image.failure }),
  };
}

/**
 * What the runtime is told to pull for a reference. The digest is looked for in the reference's own repository and nowhere else.
 * @param isChecked only what a pattern's rules have passed may be pulled: the tag may name something else by now
 * @returns undefined: such a digest is not known yet
 */
export function toPullReference(
  reference: string,
  resolved: DesiredResolution | undefined,
  view: ResolutionView | undefined,
  isChecked: boolean,
): string | undefined {
  const parsed = parseReference(reference);
  if (view?.pullsChildren !== true || parsed.digest !== undefined) return reference;
  const byTag = isChecked ? undefined : reference;
  const checkedDigest = isChecked ? resolved?.digest : undefined;
  const digest = resolved?.isProxied === true ? resolved.child?.digest : checkedDigest;
  return digest === undefined ? byTag : `${repositoryName(parsed)}@${digest}`;
}

/**
 * The best for this architecture. A record names the platforms that were asked for, whatever the image has for them: what another architecture gets would run
 * here too, perhaps, and is not what this one gets.
 */
function chooseChild({ platforms }: ResolvedImage, own: Platform): ResolvedPlatform | undefined {
  let best: { readonly child: ResolvedPlatform; readonly rank: number } | undefined;
  const { architecture } = normalisePlatform(own);
  for (const child of platforms) {
    const platform = parsePlatform(child.platform);
    if (platform.architecture !== architecture) continue;
    const rank = rankPlatform(own, platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { child, rank };
  }
  return best?.child;
}

export interface PatternMembers {
  /** As far as they can be the pattern's own; undefined: not resolved yet, which is not the same as none. */
  readonly members: readonly string[] | undefined;
  /** Of the last attempt. */
  readonly failure: ResolvedFailure | undefined;
}

export function toMembers(pattern: RepositoryPattern, resolutions: Resolutions | undefined): PatternMembers {
  const resolved = resolutions?.patterns.get(patternKey(pattern));
  const failure = resolved?.failure;
  // Harbor's empty answers prove nothing: what only ever failed is not empty.
  if (resolved === undefined || (resolved.members.length === 0 && failure !== undefined)) {
    return { members: undefined, failure };
  }
  const members = resolved.members.filter((reference) => matchesPattern(pattern, reference));
  return { members: takeNewest(pattern, members, resolutions), failure };
}

/** Whoever published them keeps to the same bounds; where it does not, what is newest counts here too. */
function takeNewest(
  { tags }: RepositoryPattern,
  references: readonly string[],
  resolutions: Resolutions | undefined,
): readonly string[] {
  const newest = tags.newest ?? Number.POSITIVE_INFINITY;
  const counts = new Map<string, number>();
  const taken = references
    .map((reference) => ({
      reference,
      tag: parseReference(reference).tag ?? '',
      pushedAt: resolutions?.images.get(reference)?.pushedAt,
    }))
    .toSorted(newestFirst(tags))
    .filter(({ reference }) => {
      const repository = repositoryOf(reference);
      const count = (counts.get(repository) ?? 0) + 1;
      counts.set(repository, count);
      return count <= newest;
    });
  const kept = new Set(taken.slice(0, maxMembers).map(({ reference }) => reference));
  return references.filter((reference) => kept.has(reference));
}
