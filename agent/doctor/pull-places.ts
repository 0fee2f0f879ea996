/** Where to try a pull: one repository of each project, or of each first part of a name, that the configuration names. Pure. */

import { isPlainName, matchesProject } from '../core/artifact-selection.ts';
import type { Configuration, CredentialSource } from '../core/configuration.ts';
import { type ImageReference, parseReference } from '../core/image-reference.ts';

export interface PullPlace {
  readonly repository: Pick<ImageReference, 'registry' | 'repository'>;
  /** The image set's own, to be tried before the common ones. */
  readonly credentials: readonly CredentialSource[];
}

/** In a project that only patterns name, no repository need be known: that there is none is an answer too. */
const anyRepository = 'stevedore-doctor';

/** @param projects of Harbors, as far as they were seen: what globs stand for */
export function toPullPlaces(
  { imageSets }: Pick<Configuration, 'imageSets'>,
  projects: readonly { readonly host: string; readonly name: string }[],
): readonly PullPlace[] {
  const places = new Map<string, PullPlace>();
  const add = (registry: string, repository: string, credentials: readonly CredentialSource[]): void => {
    const key = `${registry}/${repository.split('/')[0]}`;
    if (!places.has(key)) places.set(key, { repository: { registry, repository }, credentials });
  };
  for (const { images, credentials } of imageSets) {
    for (const image of images) {
      const { registry, repository } = parseReference(image);
      add(registry, repository, credentials);
    }
  }
  for (const { patterns, credentials } of imageSets) {
    for (const pattern of patterns) {
      const { registry, project, repository } = pattern;
      const matching = projects.filter(({ host, name }) => host === registry && matchesProject(pattern, name));
      const names = isPlainName(project) ? [project] : matching.map(({ name }) => name);
      const below = isPlainName(repository) ? repository : anyRepository;
      for (const name of names) add(registry, `${name}/${below}`, credentials);
    }
  }
  return [...places.values()];
}
