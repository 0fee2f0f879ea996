/** What has to be asked of registries for a whole cluster, once for all its nodes. Pure. */

import { isAllowed } from './allow.ts';
import type { Configuration, CredentialSource, ImageSet } from './configuration.ts';
import { referencesOf } from './desired-images.ts';
import { parseReference } from './image-reference.ts';
import { type Labels, unmetRequirement } from './label-selector.ts';
import { formatPlatform, type Platform } from './platform.ts';
import { patternKey, type RepositoryPattern } from './repository-pattern.ts';

interface Wanted {
  /** Of the nodes that ask for it, as `formatPlatform` writes them; sorted. */
  readonly platforms: readonly string[];
  /** The sets' own, without doubles, to be tried before the common ones. */
  readonly credentials: readonly CredentialSource[];
  /** How often it is looked at. */
  readonly everyMs: number;
}

export interface WantedImage extends Wanted {
  /** As `storedName` writes it. */
  readonly reference: string;
}

export interface WantedPattern extends Wanted {
  /** `patternKey` of the pattern. */
  readonly key: string;
  readonly pattern: RepositoryPattern;
}

export interface Demand {
  /** All of registries with `harbor: true`; of others the tags that `pullPolicy: Always` asks after. In the configuration's order. */
  readonly images: readonly WantedImage[];
  readonly patterns: readonly WantedPattern[];
}

export const noDemand: Demand = { images: [], patterns: [] };

/** What well-known labels say that a node runs. */
const osLabel = 'kubernetes.io/os';
const architectureLabel = 'kubernetes.io/arch';

interface Gathered {
  readonly platforms: Set<string>;
  /** By what it says. */
  readonly credentials: Map<string, CredentialSource>;
  everyMs: number;
}

/**
 * A set that selects no node now is resolved all the same, for the platforms of all nodes: the node that joins next may be one of its own.
 * @param own platform of a node whose labels do not tell, and where there is no node at all
 */
export function toDemand(
  configuration: Pick<Configuration, 'registries' | 'imageSets' | 'coordinator' | 'prefetch'>,
  nodes: readonly { readonly labels: Labels }[],
  own: Platform,
): Demand {
  const { registries, imageSets, coordinator, prefetch } = configuration;
  const hosts = registries.map(({ host }) => host);
  const harbors = new Set(registries.filter(({ harbor }) => harbor).map(({ host }) => host));
  const platformed = nodes.map(({ labels }) => ({ labels, platform: toNodePlatform(labels, own) }));
  const images = new Map<string, Gathered>();
  const patterns = new Map<string, Gathered & { readonly pattern: RepositoryPattern }>();
  for (const set of imageSets) {
    const refreshMs = set.pullPolicy === 'Always' ? set.refreshEveryMs : Number.POSITIVE_INFINITY;
    const everyMs = Math.min(coordinator.intervalMs, refreshMs);
    const selected = platformed.filter(({ labels }) => unmetRequirement(set.nodeSelector, labels) === undefined);
    const platforms = new Set((selected.length === 0 ? platformed : selected).map(({ platform }) => platform));
    if (platforms.size === 0) platforms.add(formatPlatform(own));
    for (const reference of referencesOf(set)) {
      const { registry, digest } = parseReference(reference);
      const isTagAskedAfter = set.pullPolicy === 'Always' && digest === undefined;
      if (!harbors.has(registry) && !isTagAskedAfter) continue;
      if (!isAllowed(reference, prefetch.allow, hosts)) continue;
      gather(images, reference, set, platforms, everyMs, () => ({}));
    }
    for (const pattern of set.patterns) {
      if (harbors.has(pattern.registry)) {
        gather(patterns, patternKey(pattern), set, platforms, everyMs, () => ({ pattern }));
      }
    }
  }
  return {
    images: [...images].map(([reference, gathered]) => ({ reference, ...toWanted(gathered) })),
    patterns: [...patterns].map(([key, { pattern, ...gathered }]) => ({ key, pattern, ...toWanted(gathered) })),
  };
}

function gather<More extends object>(
  all: Map<string, Gathered & More>,
  key: string,
  set: ImageSet,
  platforms: ReadonlySet<string>,
  everyMs: number,
  more: () => More,
): void {
  let gathered = all.get(key);
  if (gathered === undefined) {
    gathered = { platforms: new Set(), credentials: new Map(), everyMs, ...more() };
    all.set(key, gathered);
  }
  gathered.everyMs = Math.min(gathered.everyMs, everyMs);
  for (const platform of platforms) gathered.platforms.add(platform);
  for (const source of set.credentials) gathered.credentials.set(JSON.stringify(source), source);
}

function toWanted({ platforms, credentials, everyMs }: Gathered): Wanted {
  return { platforms: [...platforms].toSorted(), credentials: [...credentials.values()], everyMs };
}

/** As its labels tell; where they do not, `own`. */
export function toNodePlatform(labels: Labels, own: Platform): string {
  const os = labels[osLabel];
  const architecture = labels[architectureLabel];
  return formatPlatform(os === undefined || architecture === undefined ? own : { os, architecture });
}
