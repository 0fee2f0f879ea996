/** Of all that was resolved what concerns one node. Pure. */

import type { Configuration, ImageSet } from './configuration.ts';
import { referencesOf } from './desired-images.ts';
import { parseReference } from './image-reference.ts';
import { type Labels, selects } from './label-selector.ts';
import { patternKey } from './repository-pattern.ts';
import type { ResolvedImage, ResolvedPattern, Resolutions } from './resolution.ts';

/** What these sets ask for: their images, their patterns and the members of those. */
export function toOwnResolutions(all: Resolutions, imageSets: readonly ImageSet[]): Resolutions {
  const images = new Map<string, ResolvedImage>();
  const patterns = new Map<string, ResolvedPattern>();
  const take = (reference: string): void => {
    const image = all.images.get(reference);
    if (image !== undefined) images.set(reference, image);
  };
  for (const set of imageSets) {
    for (const reference of referencesOf(set)) take(reference);
    for (const pattern of set.patterns.map(patternKey)) {
      const resolved = all.patterns.get(pattern);
      if (resolved === undefined) continue;
      patterns.set(pattern, resolved);
      for (const member of resolved.members) take(member);
    }
  }
  return { images, patterns };
}

/** A record of the later ones replaces that of the earlier ones; what only those have stays. */
export function mergeResolutions(earlier: Resolutions, later: Resolutions): Resolutions {
  return {
    images: new Map([...earlier.images, ...later.images]),
    patterns: new Map([...earlier.patterns, ...later.patterns]),
  };
}

/** The sets that a node with these labels holds. */
export function toSelectedSets({ imageSets }: Pick<Configuration, 'imageSets'>, labels: Labels): readonly ImageSet[] {
  return imageSets.filter(({ nodeSelector }) => selects(nodeSelector, labels));
}

export function toHarborHosts({ registries }: Pick<Configuration, 'registries'>): ReadonlySet<string> {
  return new Set(registries.filter(({ harbor }) => harbor).map(({ host }) => host));
}

/** Whether all that these sets ask of a Harbor is known, whatever it was found to be. */
export function isResolved(
  known: Resolutions,
  imageSets: readonly ImageSet[],
  harborHosts: ReadonlySet<string>,
): boolean {
  return imageSets.every(
    (set) =>
      set.patterns.every((pattern) => known.patterns.has(patternKey(pattern))) &&
      referencesOf(set).every(
        (reference) => known.images.has(reference) || !harborHosts.has(parseReference(reference).registry),
      ),
  );
}
