/** What was published of a reference or a pattern, as far as this node believes it. Pure. */

import { matchesPattern, maxMembers } from './artifact-selection.ts';
import { parseReference, repositoryName, repositoryOf } from './image-reference.ts';
import { parsePlatform, type Platform, rankPlatform } from './platform.ts';
import { patternKey, type RepositoryPattern } from './repository-pattern.ts';
import type { ResolvedFailure, ResolvedPlatform, ResolvedImage, Resolutions } from './resolution.ts';

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
  };
}

/** What the runtime is told to pull for a reference. The digest is looked for in the reference's own repository and nowhere else. */
export function toPullReference(
  reference: string,
  resolved: DesiredResolution | undefined,
  view: ResolutionView | undefined,
): string {
  if (view?.pullsChildren !== true || resolved?.isProxied !== true || resolved.child === undefined) return reference;
  const parsed = parseReference(reference);
  return parsed.digest === undefined ? `${repositoryName(parsed)}@${resolved.child.digest}` : reference;
}

/** The best that runs here. */
function chooseChild({ platforms }: ResolvedImage, own: Platform): ResolvedPlatform | undefined {
  let best: { readonly child: ResolvedPlatform; readonly rank: number } | undefined;
  for (const child of platforms) {
    const rank = rankPlatform(own, parsePlatform(child.platform));
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
  const counts = new Map<string, number>();
  const newest = pattern.tags.newest ?? Number.POSITIVE_INFINITY;
  const members = resolved.members.filter((reference) => {
    if (!matchesPattern(pattern, reference)) return false;
    const repository = repositoryOf(reference);
    const count = (counts.get(repository) ?? 0) + 1;
    counts.set(repository, count);
    return count <= newest;
  });
  return { members: members.slice(0, maxMembers), failure };
}
