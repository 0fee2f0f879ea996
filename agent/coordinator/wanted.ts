import type { ClusterNode } from '../cluster/cluster.ts';
import type { Configuration } from '../core/configuration.ts';
import { type Demand, noDemand, toDemand } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { type Labels, selects } from '../core/label-selector.ts';
import type { Logger } from '../core/logger.ts';
import type { Platform } from '../core/platform.ts';

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
      this.#nodes = await listNodes(signal);
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = Failure.from(error);
      log.warn({ code, error: message }, 'nodes cannot be listed: their platforms are taken as they were');
    }
  }

  /** For the whole cluster, or for the one node where there is none. */
  demand(configuration: Configuration | undefined): Demand {
    if (configuration === undefined) return noDemand;
    if (this.#parts.listNodes === undefined) return this.ownDemand(configuration);
    return toDemand(configuration, this.#nodes, this.#parts.own().platform);
  }

  /** Of a cluster's sets all are resolved, since the next node may want them; one node alone has only its own. */
  ownDemand(configuration: Configuration): Demand {
    const own = this.#parts.own();
    const imageSets = configuration.imageSets.filter(({ nodeSelector }) => selects(nodeSelector, own.labels));
    return toDemand({ ...configuration, imageSets }, [own], own.platform);
  }
}
