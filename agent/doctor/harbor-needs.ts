/** Which rights in Harbor the configuration needs, project by project. Pure. */

import type { Configuration } from '../core/configuration.ts';
import { parseReference } from '../core/image-reference.ts';
import type { HarborPermission } from '../registry/harbor.ts';

export interface ProjectNeed {
  readonly resource: string;
  readonly action: string;
  /** What does not work without it. */
  readonly neededFor: string;
  /** Without it something is only told less well. */
  readonly isOptional: boolean;
}

export interface ProjectNeeds {
  readonly host: string;
  /** A name, or the glob of a pattern. */
  readonly project: string;
  readonly isGlob: boolean;
  /** An image or repository of it, below the project, for a try: `team/web`; undefined: only a pattern names it. */
  readonly repository: string | undefined;
  readonly needs: readonly ProjectNeed[];
}

const pull: ProjectNeed = { resource: 'repository', action: 'pull', neededFor: 'pulling', isOptional: false };
const warmed: ProjectNeed = {
  resource: 'artifact',
  action: 'read',
  neededFor: 'seeing that a proxied image is warm (without, 21 s are waited)',
  isOptional: true,
};

/** By project, in the order of the configuration; of registries with `harbor: true`. */
export function toProjectNeeds({ registries, imageSets, coordinator, warm }: Configuration): ProjectNeeds[] {
  const harbors = new Set(registries.filter(({ harbor }) => harbor).map(({ host }) => host));
  const all = new Map<string, ProjectNeeds>();
  const add = (
    host: string,
    project: string,
    isGlob: boolean,
    repository: string | undefined,
    needs: readonly ProjectNeed[],
  ) => {
    if (!harbors.has(host)) return;
    const key = `${host}/${project}`;
    const before = all.get(key);
    const known = before?.needs ?? [];
    const isNew = ({ resource, action }: ProjectNeed): boolean =>
      !known.some((one) => one.resource === resource && one.action === action);
    all.set(key, {
      host,
      project,
      isGlob,
      repository: before?.repository ?? repository,
      needs: [...known, ...needs.filter(isNew)],
    });
  };
  const common = [pull, ...(warm.enabled ? [warmed] : []), ...toRetentionNeeds(coordinator.keepAlive)];
  for (const { images, patterns } of imageSets) {
    for (const image of images) {
      const { registry, repository } = parseReference(image);
      const [project = '', ...rest] = repository.split('/');
      if (rest.length > 0) add(registry, project, false, rest.join('/'), common);
    }
    for (const { registry, project, maxSeverity, signed, signedBy, labels } of patterns) {
      const listing = (resource: string, action: string, neededFor: string): ProjectNeed => ({
        resource,
        action,
        neededFor,
        isOptional: false,
      });
      add(registry, project, /[*?[{]/.test(project), undefined, [
        ...common,
        listing('repository', 'list', 'resolving repository patterns'),
        listing('artifact', 'list', 'resolving repository patterns'),
        ...(labels.length > 0 ? [listing('label', 'list', 'selecting by labels')] : []),
        ...(maxSeverity === undefined ? [] : [listing('artifact', 'read', 'maxSeverity')]),
        ...(signed === undefined && signedBy.length === 0 ? [] : [listing('accessory', 'list', 'signed and signedBy')]),
      ]);
    }
  }
  return [...all.values()];
}

export function lacks(permissions: readonly HarborPermission[], { resource, action }: ProjectNeed): boolean {
  return !permissions.some((one) => one.resource === resource && one.action === action);
}

function toRetentionNeeds(keepAlive: boolean): ProjectNeed[] {
  const neededFor = keepAlive ? 'coordinator.keepAlive' : 'telling which images a retention rule would delete';
  return ['tag-retention'].map((resource) => ({ resource, action: 'read', neededFor, isOptional: !keepAlive }));
}
