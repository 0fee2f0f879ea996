/** Which rights in Harbor the configuration needs, project by project (names as of Harbor 2.15). Pure. */

import { isPlainName } from '../core/artifact-selection.ts';
import type { Configuration, CredentialSource } from '../core/configuration.ts';
import { parseReference } from '../core/image-reference.ts';
import type { RepositoryPattern } from '../core/repository-pattern.ts';
import type { HarborPermission } from '../registry/harbor.ts';

export interface ProjectNeed {
  readonly resource: string;
  readonly action: string;
  /** What does not work without it. */
  readonly neededFor: string;
  /** Without it: something that was configured fails; works less well; or something that nobody asked for is not told. */
  readonly weight: 'required' | 'wanted' | 'informative';
  /** Only where the project is a proxy cache. */
  readonly onlyProxied?: boolean;
}

export interface ProjectNeeds {
  readonly host: string;
  /** A name, or the glob of a pattern. */
  readonly project: string;
  /** The patterns that name the project by a glob; empty: `project` is its name. */
  readonly globs: readonly RepositoryPattern[];
  /** A repository in it that the configuration names, below the project; undefined: only patterns do. */
  readonly repository: string | undefined;
  /** The image sets' own, to be tried before the common ones. */
  readonly credentials: readonly CredentialSource[];
  readonly needs: readonly ProjectNeed[];
}

/** By project, in the order of the configuration; of registries with `harbor: true`. */
export function toProjectNeeds({ registries, imageSets, coordinator, warm }: Configuration): readonly ProjectNeeds[] {
  const harbors = new Set(registries.filter(({ harbor }) => harbor).map(({ host }) => host));
  const all = new Map<string, ProjectNeeds>();
  const add = (more: ProjectNeeds): void => {
    if (!harbors.has(more.host)) return;
    const key = `${more.host}/${more.project}`;
    const before = all.get(key);
    all.set(key, before === undefined ? more : merge(before, more));
  };
  const common = [pull, ...(warm.enabled ? [warmed] : []), ...(coordinator.keepAlive ? keptAlive : []), ...quota];
  for (const { images, patterns, credentials } of imageSets) {
    for (const image of images) {
      const { registry: host, repository: path } = parseReference(image);
      const [project = '', ...rest] = path.split('/');
      const repository = rest.join('/');
      if (repository !== '') add({ host, project, globs: [], repository, credentials, needs: common });
    }
    for (const pattern of patterns) {
      const { registry: host, project, repository } = pattern;
      add({
        host,
        project,
        globs: isPlainName(project) ? [] : [pattern],
        repository: isPlainName(repository) ? repository : undefined,
        credentials,
        needs: toStrictest([...common, ...toPatternNeeds(pattern)]),
      });
    }
  }
  return [...all.values()];
}

/** Of a public project everybody may pull. */
export function findMissing(
  permissions: readonly HarborPermission[],
  needs: readonly ProjectNeed[],
  project: { readonly isPublic: boolean; readonly isProxied: boolean },
): readonly ProjectNeed[] {
  return needs.filter(({ resource, action, onlyProxied = false }) => {
    if (onlyProxied && !project.isProxied) return false;
    if (project.isPublic && resource === 'repository' && action === 'pull') return false;
    return !permissions.some((one) => one.resource === resource && one.action === action);
  });
}

const pull: ProjectNeed = { resource: 'repository', action: 'pull', neededFor: 'pulling', weight: 'required' };

const warmed: ProjectNeed = {
  resource: 'artifact',
  action: 'read',
  neededFor: 'seeing when an image is warm (without, 21 s are waited)',
  weight: 'wanted',
  onlyProxied: true,
};

const quota: readonly ProjectNeed[] = ['project', 'quota'].map((resource) => ({
  resource,
  action: 'read',
  neededFor: 'the metrics of the quota',
  weight: 'informative',
}));

const keptAlive: readonly ProjectNeed[] = [
  { resource: 'tag-retention', action: 'read', neededFor: 'coordinator.keepAlive', weight: 'required' },
  { resource: 'artifact', action: 'list', neededFor: 'coordinator.keepAlive', weight: 'required' },
  // A proxy cache holds images without their tag, which no list names.
  { resource: 'artifact', action: 'read', neededFor: 'coordinator.keepAlive', weight: 'required', onlyProxied: true },
];

/** Accessories and scans come with the list; a child's, one by one. */
function toPatternNeeds({ signed, signedBy }: RepositoryPattern): readonly ProjectNeed[] {
  const neededFor = 'resolving repository patterns';
  const isSigned = signed !== undefined || signedBy.length > 0;
  return [
    { resource: 'repository', action: 'list', neededFor, weight: 'required' },
    { resource: 'artifact', action: 'list', neededFor, weight: 'required' },
    ...(isSigned ? [{ ...warmed, neededFor: 'signed', weight: 'required', onlyProxied: false } as const] : []),
  ];
}

function merge(one: ProjectNeeds, other: ProjectNeeds): ProjectNeeds {
  const credentials = new Map(
    [...one.credentials, ...other.credentials].map((source) => [JSON.stringify(source), source]),
  );
  return {
    ...one,
    globs: [...one.globs, ...other.globs],
    repository: one.repository ?? other.repository,
    credentials: [...credentials.values()],
    needs: toStrictest([...one.needs, ...other.needs]),
  };
}

const weights = ['required', 'wanted', 'informative'] as const;

/** One of each permission: what weighs most, and counts for most projects. */
function toStrictest(needs: readonly ProjectNeed[]): readonly ProjectNeed[] {
  const all = new Map<string, ProjectNeed>();
  for (const need of needs) {
    const key = `${need.resource}:${need.action}`;
    const before = all.get(key);
    if (before === undefined || rank(need) < rank(before)) all.set(key, need);
  }
  return [...all.values()];
}

function rank({ weight, onlyProxied = false }: ProjectNeed): number {
  return weights.indexOf(weight) * 2 + (onlyProxied ? 1 : 0);
}
