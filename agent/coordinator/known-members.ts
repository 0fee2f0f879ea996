/** What a pattern's members of before still tell, where Harbor's list says less than it did. Pure. */

import type { RepositoryContent } from '../core/artifact-selection.ts';
import { formatPlatform } from '../core/platform.ts';
import type { RepositoryPattern } from '../core/repository-pattern.ts';
import type { ExcludedImage, ResolvedImage, ResolvedPattern, Resolutions } from '../core/resolution.ts';
import { exceeds } from '../core/severity.ts';
import type { HarborArtifact } from '../registry/harbor.ts';

/** The members of before that have a record, by reference. */
export type KnownMembers = ReadonlyMap<string, ResolvedImage>;

export function toKnownMembers(before: ResolvedPattern | undefined, { images }: Resolutions): KnownMembers {
  return new Map(
    (before?.members ?? []).flatMap((reference) => {
      const image = images.get(reference);
      return image === undefined ? [] : [[reference, image] as const];
    }),
  );
}

/** Whether what Harbor lists is the image that was found before. Behind a proxy cache an index has two digests, and its children one. */
export function isSameImage({ digest, children }: HarborArtifact, known: ResolvedImage | undefined): boolean {
  if (known === undefined) return false;
  if (known.digest === digest) return true;
  if (!known.isProxied) return false;
  const digests = new Map(known.platforms.map((child) => [child.platform, child.digest]));
  const shared = children.flatMap((child) => {
    const { os, architecture, variant } = child;
    if (os === undefined || architecture === undefined) return [];
    const found = digests.get(formatPlatform({ os, architecture, variant }));
    return found === undefined ? [] : [found === child.digest];
  });
  return shared.length === 0 ? [...digests.values()].includes(digest) : shared.every((isSame) => isSame);
}

export interface KnownContent {
  readonly contents: readonly RepositoryContent<HarborArtifact>[];
  /** Tags that count by an earlier scan, with why, as far as the rest of the rule takes them. */
  readonly kept: ReadonlyMap<string, ExcludedImage>;
}

/**
 * The content with what was known before of the same images. A scan that runs again, fails, or went with the scanner takes nothing back: what
 * was a member had a finished one that let it through. A tag that retention took out of a cache and that came back was not pushed anew.
 */
export function withKnown(
  pattern: RepositoryPattern,
  contents: readonly RepositoryContent<HarborArtifact>[],
  known: KnownMembers,
): KnownContent {
  const kept = new Map<string, ExcludedImage>();
  const withKnownArtifact = (repository: string, artifact: HarborArtifact): HarborArtifact => {
    const toReference = (tag: string) => `${pattern.registry}/${repository}:${tag}`;
    const tags = artifact.tags.map((tag) => {
      const image = known.get(toReference(tag.name));
      const earlier = isSameImage(artifact, image) ? image?.pushedAt : undefined;
      return earlier === undefined || earlier >= tag.pushedAt ? tag : { ...tag, pushedAt: earlier };
    });
    const { maxSeverity, unscanned } = pattern;
    const wasMember = artifact.tags.some(({ name }) => isSameImage(artifact, known.get(toReference(name))));
    if (maxSeverity === undefined || !wasMember) return { ...artifact, tags };
    const verdict = exceeds(maxSeverity, artifact.scan, unscanned);
    if (verdict?.reason !== 'not_scanned') return { ...artifact, tags };
    const message = `${verdict.message}; its last finished scan let it through`;
    for (const { name } of tags) {
      const reference = toReference(name);
      kept.set(reference, { reference, reason: verdict.reason, message });
    }
    return { ...artifact, tags, scan: { status: 'Success', severity: maxSeverity } };
  };
  return {
    contents: contents.map(({ project, repository, artifacts }) => ({
      project,
      repository,
      artifacts: artifacts.map((artifact) => withKnownArtifact(`${project}/${repository}`, artifact)),
    })),
    kept,
  };
}
