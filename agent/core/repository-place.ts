/** Whether the hosts that repository patterns name are known to be Harbors. Pure. */

import type { Mistake } from './configuration.ts';

/** An entry with a repository, as it was written. */
export interface RepositoryPlace {
  /** Index of its set in the text. */
  readonly imageSet: number;
  readonly host: string;
  readonly path: string;
  readonly value: string | undefined;
  readonly line: number | undefined;
}

/** Only Harbor can be asked which repositories it has. */
export function findForeignHosts(
  places: readonly RepositoryPlace[],
  harborHosts: ReadonlySet<string>,
): readonly Mistake[] {
  return places
    .filter(({ host }) => !harborHosts.has(host))
    .map(({ host, path, value, line }) => ({
      path,
      value,
      rule: `a repository needs an entry in registries with host: ${host} and harbor: true`,
      line,
    }));
}
