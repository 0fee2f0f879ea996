/** Where a text names repositories of a Harbor: whether it is one, the registries say. */

import type { RepositoryPlace } from '../core/repository-place.ts';
import { toPathText } from '../core/mistake.ts';
import { normaliseHost } from '../core/image-reference.ts';
import type { YamlText } from './yaml-text.ts';

/** Looks at what was written, so that it says where, whatever else is wrong there. */
export function findRepositoryPlaces(text: YamlText): readonly RepositoryPlace[] {
  return toList(text.value, 'imageSets').flatMap((set, imageSet) =>
    toList(set, 'images').flatMap((entry, index) => {
      const repository = valueOf(entry, 'repository');
      if (typeof repository !== 'string' || !repository.includes('/')) return [];
      const path = ['imageSets', imageSet, 'images', index, 'repository'];
      const host = normaliseHost(repository.slice(0, repository.indexOf('/')));
      return [{ imageSet, host, path: toPathText(path), ...text.locate(path) }];
    }),
  );
}

/** Hosts that the text itself says are a Harbor. */
export function findHarborHosts(text: YamlText): ReadonlySet<string> {
  const hosts = toList(text.value, 'registries')
    .filter((registry) => valueOf(registry, 'harbor') === true)
    .map((registry) => valueOf(registry, 'host'));
  return new Set(hosts.flatMap((host) => (typeof host === 'string' ? [normaliseHost(host)] : [])));
}

function toList(parent: unknown, key: string): readonly unknown[] {
  const value = valueOf(parent, key);
  return Array.isArray(value) ? value : [];
}

function valueOf(parent: unknown, key: string): unknown {
  return typeof parent === 'object' && parent !== null ? Reflect.get(parent, key) : undefined;
}
