import type { ClusterNode } from '../cluster/cluster.ts';
import type { Configuration } from '../core/configuration.ts';
import { type Demand, noDemand, toDemand } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { type Labels, selects } from '../core/label-selector.ts';
import type { Logger } from '../core/logger.ts';
import type { Platform } from '../core/platform.ts';
import type { Resolutions } from '../core/resolution.ts';

export interface WantedParts {
  /** All nodes of the cluster; undefined: there is only the own one. */
  readonly listNodes: ((signal: AbortSignal) => Promise<readonly Pick<ClusterNode, 'labels'>[]>) | undefined;
  readonly own: () => { readonly labels: Labels; readonly platform: Platform };
  readonly log: Logger;
}

/** Between two lists of the cluster's nodes. */
export const nodesEveryMs = 300_000;

/** What is to be resolved, for the cluster's nodes as they were last seen. */
export class Wanted {
  readonly #parts: WantedParts;
  #nodes: readonly { readonly labels: Labels }[] = [];
  #isListed = false;
  #listedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: WantedParts) {
    this.#parts = parts;
  }

  /** Lists the nodes, at most every five minutes; where they cannot be listed, those of before count, or the own one. Rejects only with an abort. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { listNodes, log } = this.#parts;
    const now = performance.now();
    // Rounds come a little earlier than the whole time.
    if (listNodes === undefined || now - this.#listedAt < nodesEveryMs * 0.8) return;
    this.#listedAt = now;
    try {
      const nodes = await listNodes(signal);
      // Whoever asks runs on one.
      if (nodes.length === 0) return;
      this.#nodes = nodes;
      this.#isListed = true;
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = Failure.from(error);
      log.warn({ code, error: message }, 'nodes cannot be listed: their platforms are taken as they were');
    }
  }

  /**
   * For the whole cluster, or for the one node where there is none.
   * @param before what was resolved: as long as nodes were never listed, its platforms stay wanted, since somebody listed them then
   */
  demand(configuration: Configuration | undefined, before: Resolutions): Demand {
    if (configuration === undefined) return noDemand;
    if (this.#parts.listNodes === undefined) return this.ownDemand(configuration);
    const demand = toDemand(configuration, this.#nodes, this.#parts.own().platform);
    return this.#isListed ? demand : withPlatformsOf(before, demand);
  }

  /** Of a cluster's sets all are resolved, since the next node may want them; one node alone has only its own. */
  ownDemand(configuration: Configuration): Demand {
    const own = this.#parts.own();
    const imageSets = configuration.imageSets.filter(({ nodeSelector }) => selects(nodeSelector, own.labels));
    return toDemand({ ...configuration, imageSets }, [own], own.platform);
  }
}

function withPlatformsOf({ images, patterns }: Resolutions, demand: Demand): Demand {
  const join = (platforms: readonly string[], references: readonly string[]) => {
    const known = references.flatMap((reference) => images.get(reference)?.platforms ?? []);
    return [...new Set([...platforms, ...known.map(({ platform }) => platform)])].toSorted();
  };
  return {
    images: demand.images.map((image) => ({ ...image, platforms: join(image.platforms, [image.reference]) })),
    patterns: demand.patterns.map((pattern) => {
      return { ...pattern, platforms: join(pattern.platforms, patterns.get(pattern.key)?.members ?? []) };
    }),
  };
}
