/** The main configuration and those of the teams put together. */

import type { Configuration, ImageSet, Mistake } from './configuration.ts';
import { findForeignHosts, type RepositoryPlace } from './repository-place.ts';

/** ConfigMaps with this label and value add image sets of their own. */
export const teamLabel = { key: 'stevedore.dev/image-sets', value: 'true' };
/** Of the main ConfigMap and of the teams'. */
export const configurationKey = 'config.yaml';

/** What became of a team's text. `source` names its ConfigMap, for messages. */
export type ParsedTeam =
  | {
      readonly ok: true;
      readonly source: string;
      readonly imageSets: readonly ImageSet[];
      /** Of each set's name in the text, 1-based. */
      readonly nameLines: readonly (number | undefined)[];
      /** Every entry that names repositories: whether their host is a Harbor, the main configuration says. */
      readonly repositories: readonly RepositoryPlace[];
    }
  | { readonly ok: false; readonly source: string; readonly mistakes: readonly Mistake[] };

export interface TeamImageSets {
  /** The ConfigMap's. */
  readonly name: string;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly parsed: ParsedTeam & { readonly ok: true };
}

export interface RefusedImageSets {
  /** The ConfigMap's name. */
  readonly name: string;
  readonly source: string;
  /** Of each set that is not taken: its name belongs to another, or it names repositories of a host that is no Harbor. */
  readonly mistakes: readonly Mistake[];
}

export interface MergedConfiguration {
  readonly configuration: Configuration;
  readonly refused: readonly RefusedImageSets[];
}

/**
 * The main configuration with the teams' sets behind its own, each with its source. Of two sets with one name the main one's counts, then that of the
 * older ConfigMap (of two from the same second, by name, so that all nodes decide alike); the other sets of the same team stay.
 */
export function mergeTeams(
  main: { readonly source: string; readonly configuration: Configuration },
  teams: readonly TeamImageSets[],
): MergedConfiguration {
  const imageSets = main.configuration.imageSets.map((imageSet) => ({ ...imageSet, source: main.source }));
  const owners = new Map(imageSets.map(({ name }, index) => [name, toPlace(main.source, index)]));
  const harbors = main.configuration.registries.filter(({ harbor }) => harbor);
  const harborHosts = new Set(harbors.map(({ host }) => host));
  const refused: RefusedImageSets[] = [];
  for (const { name, parsed } of teams.toSorted(byAge)) {
    const mistakes: Mistake[] = [];
    for (const [index, imageSet] of parsed.imageSets.entries()) {
      const owner = owners.get(imageSet.name);
      const own = parsed.repositories.filter((place) => place.imageSet === index);
      const foreign = findForeignHosts(own, harborHosts);
      mistakes.push(...foreign);
      if (foreign.length > 0) continue;
      if (owner === undefined) {
        owners.set(imageSet.name, toPlace(parsed.source, index));
        imageSets.push({ ...imageSet, source: parsed.source });
      } else {
        const rule = `${owner} has a set of this name`;
        mistakes.push({
          path: `imageSets[${index}].name`,
          value: imageSet.name,
          rule,
          line: parsed.nameLines[index],
        });
      }
    }
    if (mistakes.length > 0) refused.push({ name, source: parsed.source, mistakes });
  }
  return { configuration: { ...main.configuration, imageSets }, refused };
}

function byAge(a: TeamImageSets, b: TeamImageSets): number {
  return a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1);
}

function toPlace(source: string, index: number): string {
  return `${source} (imageSets[${index}])`;
}
