import type { SelectableArtifact } from '../../../agent/core/artifact-selection.ts';
import type { RepositoryPattern, TagRule } from '../../../agent/core/repository-pattern.ts';

export const host = 'harbor.example.com';

export function pattern(
  changes: Partial<Omit<RepositoryPattern, 'tags'>> & { tags?: Partial<TagRule> } = {},
): RepositoryPattern {
  const { tags, ...rest } = changes;
  return {
    registry: host,
    project: 'ml',
    repository: '**',
    labels: [],
    maxSeverity: undefined,
    unscanned: 'refuse',
    signed: undefined,
    signedBy: [],
    ...rest,
    tags: { match: undefined, regex: undefined, semver: undefined, newest: undefined, newestBy: 'push_time', ...tags },
  };
}

export function artifact(
  tags: Record<string, number> | string,
  changes: Partial<SelectableArtifact> = {},
): SelectableArtifact {
  const named = typeof tags === 'string' ? { [tags]: 0 } : tags;
  return {
    digest: `sha256:${Object.keys(named).join('-')}`,
    type: 'IMAGE',
    tags: Object.entries(named).map(([name, pushedAt]) => ({ name, pushedAt })),
    labels: [],
    accessories: [],
    scan: undefined,
    ...changes,
  };
}
