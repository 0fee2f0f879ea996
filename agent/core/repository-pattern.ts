/** An entry of an image set that names repositories of a Harbor by pattern. Pure. */

import { createHash } from 'node:crypto';

/** Harbor's words in its order, lower case (`Unknown` ranks with `Negligible`; a word that is not here ranks above all). */
export const severities = ['none', 'negligible', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

export interface TagRule {
  /** Glob, RE2 expression (on the whole tag) or semantic version range; undefined: not asked for. All that are given have to match. */
  readonly match: string | undefined;
  readonly regex: string | undefined;
  readonly semver: string | undefined;
  /** Of each repository only so many; undefined: all that match. */
  readonly newest: number | undefined;
  readonly newestBy: 'push_time' | 'version';
}

export interface RepositoryPattern {
  /** Host with optional port, as in references. */
  readonly registry: string;
  /** Globs: `ml`, `team-*`; below the project `llm-server`, `*`, `**`. */
  readonly project: string;
  readonly repository: string;
  readonly tags: TagRule;
  /** Names of Harbor labels, all of which an artifact must have. */
  readonly labels: readonly string[];
  readonly maxSeverity: Severity | undefined;
  /** What `maxSeverity` makes of an artifact without a finished scan. */
  readonly unscanned: 'refuse' | 'allow';
  /** Signatures that an artifact and its child must have in Harbor, of either kind where it is `any`. */
  readonly signed: 'any' | 'cosign' | 'notation' | undefined;
  /** Public keys in PEM, of one of which a valid cosign signature must be there; empty: not asked for. */
  readonly signedBy: readonly string[];
}

/** Names what a pattern asks for: the same everywhere where it is the same. */
export function patternKey(pattern: RepositoryPattern): string {
  const { registry, project, repository, tags, labels, maxSeverity, unscanned, signed, signedBy } = pattern;
  const { match, regex, semver, newest, newestBy } = tags;
  const text = JSON.stringify([
    [registry, project, repository],
    [match, regex, semver, newest, newestBy],
    labels.toSorted(),
    [maxSeverity, maxSeverity === undefined ? undefined : unscanned],
    signed,
    signedBy.toSorted(),
  ]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Rules that one digest passes and the next one under the same tag may not. */
export function checksContent({ maxSeverity, signed, signedBy }: RepositoryPattern): boolean {
  return maxSeverity !== undefined || signed !== undefined || signedBy.length > 0;
}

/** `harbor.example.com/ml/llm-*`, for people. */
export function formatPattern({ registry, project, repository }: RepositoryPattern): string {
  return `${registry}/${project}/${repository}`;
}
