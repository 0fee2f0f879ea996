/** What a repository pattern takes out of what Harbor's projects hold, and why it leaves out the rest. Pure. */

import picomatch from 'picomatch';
import { InvalidReferenceError, normaliseHost, parseReference } from './image-reference.ts';
import type { RepositoryPattern } from './repository-pattern.ts';
import type { ExcludedImage, ExclusionReason } from './resolution.ts';
import { exceeds, type ScanResult } from './severity.ts';
import { newestFirst } from './tag-order.ts';
import { tagFault } from './tag-rule.ts';

/** The parts of a Harbor artifact that rules look at. */
export interface SelectableArtifact {
  readonly digest: string;
  /** `IMAGE`, `CHART`, … */
  readonly type: string;
  readonly tags: readonly { readonly name: string; readonly pushedAt: number }[];
  readonly labels: readonly string[];
  readonly accessories: readonly { readonly type: string }[];
  readonly scan: ScanResult | undefined;
}

export interface RepositoryContent<Artifact extends SelectableArtifact = SelectableArtifact> {
  readonly project: string;
  /** Below the project. */
  readonly repository: string;
  readonly artifacts: readonly Artifact[];
}

/** What somebody who looked at signatures found, which Harbor's list does not say. */
export interface SignatureVerdict {
  readonly reason: 'not_signed' | 'signature_invalid';
  readonly message: string;
}

export interface SelectedImage<Artifact extends SelectableArtifact = SelectableArtifact> {
  /** As `storedName` writes it, with the tag. */
  readonly reference: string;
  readonly digest: string;
  readonly artifact: Artifact;
}

export interface Selection<Artifact extends SelectableArtifact = SelectableArtifact> {
  /** By reference. */
  readonly members: readonly SelectedImage<Artifact>[];
  /** What says most first: signatures, severities, …, tags that the pattern never meant. */
  readonly excluded: readonly ExcludedImage[];
}

/** Of one pattern, whatever it matches. */
export const maxMembers = 200;

/** In the order in which people are told of them. */
const reasonOrder: readonly ExclusionReason[] = [
  'signature_invalid',
  'not_signed',
  'severity',
  'not_scanned',
  'too_many',
  'label',
  'not_an_image',
  'older',
  'tag',
];

/** As in `RepositoryPattern`: `*` stays within one part of a name. */
const globOptions = { dot: true, nonegate: true, nobracket: true, noextglob: true, strictSlashes: true } as const;

interface Names {
  readonly project: (name: string) => boolean;
  readonly repository: (name: string) => boolean;
}

const compiled = new WeakMap<RepositoryPattern, Names>();

/** Whether the names of a project can be told without listing any. */
export function isPlainName(glob: string): boolean {
  return !/[*?{}\\]/.test(glob);
}

export function matchesProject(pattern: RepositoryPattern, project: string): boolean {
  return namesOf(pattern).project(project);
}

/** @param repository below the project. */
export function matchesRepository(pattern: RepositoryPattern, project: string, repository: string): boolean {
  const names = namesOf(pattern);
  return names.project(project) && names.repository(repository);
}

/**
 * Whether a reference could be a member by its name alone: host, project, repository and tag, not `newest`. One without a tag, or that names a digest,
 * never is. Nodes believe no published member that this denies.
 */
export function matchesPattern(pattern: RepositoryPattern, reference: string): boolean {
  let parsed: ReturnType<typeof parseReference>;
  try {
    parsed = parseReference(reference);
  } catch (error) {
    if (error instanceof InvalidReferenceError) return false;
    throw error;
  }
  const { registry, repository, tag, digest } = parsed;
  if (registry !== normaliseHost(pattern.registry) || tag === undefined || digest !== undefined) return false;
  const slash = repository.indexOf('/');
  if (slash < 0) return false;
  return (
    matchesRepository(pattern, repository.slice(0, slash), repository.slice(slash + 1)) &&
    tagFault(pattern.tags, tag) === undefined
  );
}

/**
 * Every tag ends in exactly one of the two lists. The newest are counted among those that all other rules let through. Of a tag that two
 * artifacts have, since it moved while Harbor was asked, the later one counts.
 * @param verdicts what is known of signatures, by `signatureKey`; who looks them up asks again until nothing new is to be looked up.
 */
export function selectArtifacts<Artifact extends SelectableArtifact>(
  pattern: RepositoryPattern,
  contents: readonly RepositoryContent<Artifact>[],
  verdicts: ReadonlyMap<string, SignatureVerdict> = new Map(),
): Selection<Artifact> {
  const excluded: ExcludedImage[] = [];
  const kept: Candidate<Artifact>[] = [];
  for (const content of contents) {
    if (!matchesRepository(pattern, content.project, content.repository)) continue;
    const candidates = toCandidates(pattern, content).toSorted(newestFirst(pattern.tags));
    let count = 0;
    for (const candidate of candidates) {
      const { reference, tag, artifact, repository } = candidate;
      const fault =
        faultOf(pattern, reference, tag, artifact) ?? verdicts.get(signatureKey(repository, artifact.digest));
      if (fault !== undefined) {
        excluded.push({ reference, ...fault });
        continue;
      }
      count += 1;
      const { newest } = pattern.tags;
      if (newest === undefined || count <= newest) kept.push(candidate);
      else excluded.push({ reference, reason: 'older', message: `${newest} newer ones are taken` });
    }
  }
  kept.sort((a, b) => b.pushedAt - a.pushedAt || byText(a.reference, b.reference));
  for (const { reference } of kept.splice(maxMembers)) {
    excluded.push({ reference, reason: 'too_many', message: `a pattern takes ${maxMembers} images at most` });
  }
  return {
    members: kept
      .map(({ reference, artifact }) => ({ reference, digest: artifact.digest, artifact }))
      .toSorted((a, b) => byText(a.reference, b.reference)),
    excluded: excluded.toSorted(
      (a, b) => reasonOrder.indexOf(a.reason) - reasonOrder.indexOf(b.reason) || byText(a.reference, b.reference),
    ),
  };
}

/** Names an artifact whose signatures were looked at. @param repository with its project. */
export function signatureKey(repository: string, digest: string): string {
  return `${repository}@${digest}`;
}

/** Whether Harbor lists a signature of the kind that the pattern asks for. */
export function hasSignature(
  signed: NonNullable<RepositoryPattern['signed']>,
  accessories: readonly { readonly type: string }[],
): boolean {
  const kinds = signed === 'any' ? ['cosign', 'notation'] : [signed];
  return accessories.some(({ type }) => kinds.some((kind) => type === `signature.${kind}`));
}

interface Candidate<Artifact> {
  readonly reference: string;
  readonly repository: string;
  readonly tag: string;
  readonly pushedAt: number;
  readonly artifact: Artifact;
}

function toCandidates<Artifact extends SelectableArtifact>(
  pattern: RepositoryPattern,
  { project, repository, artifacts }: RepositoryContent<Artifact>,
): Candidate<Artifact>[] {
  const name = `${project}/${repository}`;
  const byTag = new Map<string, Candidate<Artifact>>();
  for (const artifact of artifacts) {
    for (const { name: tag, pushedAt } of artifact.tags) {
      const known = byTag.get(tag);
      const isLater =
        known === undefined ||
        pushedAt > known.pushedAt ||
        (pushedAt === known.pushedAt && artifact.digest > known.artifact.digest);
      const reference = `${pattern.registry}/${name}:${tag}`;
      if (isLater) byTag.set(tag, { reference, repository: name, tag, pushedAt, artifact });
    }
  }
  return [...byTag.values()];
}

function faultOf(
  pattern: RepositoryPattern,
  reference: string,
  tag: string,
  artifact: SelectableArtifact,
): { readonly reason: ExclusionReason; readonly message: string } | undefined {
  const fault = tagFault(pattern.tags, tag);
  if (fault !== undefined) return { reason: 'tag', message: fault };
  if (artifact.type !== 'IMAGE') return { reason: 'not_an_image', message: `it is of type ${artifact.type}` };
  if (!matchesPattern(pattern, reference)) return { reason: 'tag', message: 'it is not a valid image reference' };
  const missing = pattern.labels.find((label) => !artifact.labels.includes(label));
  if (missing !== undefined) return { reason: 'label', message: `it does not have the label ${missing}` };
  if (pattern.maxSeverity !== undefined) {
    const verdict = exceeds(pattern.maxSeverity, artifact.scan, pattern.unscanned);
    if (verdict !== undefined) return verdict;
  }
  // Where keys are given the signature itself is verified, and Harbor's word adds nothing.
  if (
    pattern.signed !== undefined &&
    pattern.signedBy.length === 0 &&
    !hasSignature(pattern.signed, artifact.accessories)
  ) {
    const kind = pattern.signed === 'any' ? '' : `${pattern.signed} `;
    return { reason: 'not_signed', message: `Harbor knows no ${kind}signature of it` };
  }
  return undefined;
}

function namesOf(pattern: RepositoryPattern): Names {
  let names = compiled.get(pattern);
  if (names === undefined) {
    const { project, repository } = pattern;
    names = { project: picomatch(project, globOptions), repository: picomatch(repository, globOptions) };
    compiled.set(pattern, names);
  }
  return names;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
