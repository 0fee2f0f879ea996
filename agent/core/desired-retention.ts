/**
 * Which desired images a project's retention would delete. A proxy cache keeps the index of an image that has several platforms rewritten, and at times
 * without its tag (Harbor 2.15.2): what no list names is looked for by the digests that nodes pull.
 */

import { Failure } from './failure.ts';
import { findAtRisk, type RetainableArtifact, type RetentionRule, type TagAtRisk } from './retention.ts';

export interface DesiredInProject {
  readonly reference: string;
  /** Without the project. */
  readonly repository: string;
  /** One of the two. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
  /** Where the project is a proxy cache, what was resolved: the index digest, and what nodes pull. */
  readonly cached: { readonly digest: string | undefined; readonly children: readonly string[] } | undefined;
}

export interface StoredArtifact extends RetainableArtifact {
  readonly children: readonly { readonly digest: string }[];
}

export interface StoredReader {
  /** All tagged ones of a repository. @throws Failure */
  list(repository: string): Promise<readonly StoredArtifact[]>;
  /** By digest. @throws Failure `not_found`: it is not there */
  read(repository: string, digest: string): Promise<StoredArtifact>;
}

export interface DesiredAtRisk extends TagAtRisk {
  readonly reference: string;
  /** Whose pull renews it: of a cached image the child, by digest; undefined: the reference. */
  readonly child: string | undefined;
  /** When it was pulled last, as Harbor has it, epoch ms; 0: never. */
  readonly pulledAt: number;
}

export interface DesiredOutlook {
  /** One for each desired image: of several platforms what goes first. The first to go comes first. */
  readonly atRisk: readonly DesiredAtRisk[];
  /** All of them. */
  readonly renewable: readonly DesiredAtRisk[];
  readonly unknownTemplates: readonly string[];
  /** Why cached images could not be looked for by digest. */
  readonly unread: Failure | undefined;
}

/** What Harbor's retention decides about, and the desired image that it is part of. */
interface Part {
  readonly artifact: StoredArtifact;
  readonly image: DesiredInProject;
  readonly child: string | undefined;
}

/** @throws Failure of the reader, but not for what is absent or may not be read by digest */
export async function findDesiredAtRisk(
  retention: { readonly rules: readonly RetentionRule[] },
  desired: readonly DesiredInProject[],
  reader: StoredReader,
  now: number,
): Promise<DesiredOutlook> {
  const all = new Map<string, StoredArtifact>();
  const parts: Part[] = [];
  let unread: Failure | undefined;
  for (const [repository, images] of Map.groupBy(desired, (image) => image.repository)) {
    const listed = await reader.list(repository);
    for (const artifact of listed) all.set(keyOf(artifact), artifact);
    for (const image of images) {
      const found = await findParts(image, listed, reader);
      unread ??= found.unread;
      for (const part of found.parts) all.set(keyOf(part.artifact), part.artifact);
      parts.push(...found.parts);
    }
  }
  const { atRisk, unknownTemplates } = findAtRisk(retention, [...all.values()], now);
  const risks = new Map(atRisk.map((risk) => [keyOf(risk), risk]));
  const renewable = parts.flatMap(({ artifact, image: { reference, tag }, child }) => {
    const risk = risks.get(keyOf(artifact));
    if (risk === undefined) return [];
    const pulledAt = Math.max(artifact.pulledAt ?? 0, ...artifact.tags.map((one) => one.pulledAt ?? 0));
    return [{ ...risk, reference, tag, child, pulledAt }];
  });
  const first = new Map<string, DesiredAtRisk>();
  for (const risk of renewable) {
    const other = first.get(risk.reference);
    if (other === undefined || risk.leftMs < other.leftMs) first.set(risk.reference, risk);
  }
  const sooner = (a: DesiredAtRisk, b: DesiredAtRisk) => a.leftMs - b.leftMs || (a.reference < b.reference ? -1 : 1);
  return { atRisk: [...first.values()].toSorted(sooner), renewable, unknownTemplates, unread };
}

async function findParts(
  image: DesiredInProject,
  listed: readonly StoredArtifact[],
  reader: StoredReader,
): Promise<{ readonly parts: readonly Part[]; readonly unread: Failure | undefined }> {
  const { repository, tag, digest, cached } = image;
  const named = listed.find((one) => (tag === undefined ? one.digest === digest : hasTag(one, tag)));
  const parts: Part[] = [];
  let unread: Failure | undefined;
  const read = async (wanted: string): Promise<StoredArtifact | undefined> => {
    try {
      return await reader.read(repository, wanted);
    } catch (error) {
      const failure = Failure.from(error);
      if (failure.code === 'auth') unread ??= failure;
      else if (failure.code !== 'not_found') throw failure;
      return undefined;
    }
  };
  if (cached === undefined)
    return { parts: named === undefined ? [] : [{ artifact: named, image, child: undefined }], unread };
  const { children } = cached;
  if (named !== undefined) parts.push({ artifact: named, image, child: children[0] });
  const isCovered = (child: string, one: StoredArtifact): boolean =>
    one.digest === child || one.children.some((other) => other.digest === child);
  // An index that Harbor has holds its children; of one that it keeps under another digest only these are known.
  let missing = children.filter((child) => !parts.some(({ artifact }) => isCovered(child, artifact)));
  if (missing.length > 0 && cached.digest !== undefined && !children.includes(cached.digest)) {
    const index = await read(cached.digest);
    const [child] = missing;
    if (index !== undefined) parts.push({ artifact: index, image, child });
    missing = missing.filter((one) => index === undefined || !isCovered(one, index));
  }
  for (const child of missing) {
    const artifact = listed.find((one) => isCovered(child, one)) ?? (await read(child));
    if (artifact !== undefined) parts.push({ artifact, image, child });
  }
  return { parts, unread };
}

function hasTag({ tags }: StoredArtifact, tag: string): boolean {
  return tags.some(({ name }) => name === tag);
}

function keyOf({ repository, digest }: { readonly repository: string; readonly digest: string }): string {
  return `${repository}@${digest}`;
}
