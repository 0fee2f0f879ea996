/** Whether tags and patterns have to be resolved, and who does: part of the composition root. */

import type { ClusterMember } from './cluster-member.ts';
import type { CredentialStore } from './config/credential-files.ts';
import type { Coordinating } from './coordinating.ts';
import type { Configuration } from './core/configuration.ts';
import { toDemand } from './core/demand.ts';
import type { Desired } from './core/desired-images.ts';
import { Failure } from './core/failure.ts';
import type { Logger } from './core/logger.ts';
import type { NodeState } from './core/node-state.ts';
import { isResolved, toHarborHosts, toSelectedSets } from './core/own-resolutions.ts';
import type { PlanResolutionInput } from './core/plan-resolution.ts';
import type { Platform } from './core/platform.ts';
import type { Resolutions } from './core/resolution.ts';
import type { Metrics } from './ops/metrics.ts';
import { untilAborted } from './core/abort.ts';
import { NodeResolutions } from './work/node-resolutions.ts';
import { createResolutionsReader, createResolutionsStore } from './work/resolutions-store.ts';

export interface ResolvingParts {
  readonly nodeName: string;
  readonly platform: Platform;
  readonly userAgent: string;
  readonly member: ClusterMember | undefined;
  readonly credentials: CredentialStore;
  readonly onChange: (resolutions: Resolutions) => void;
  /** Pulls wait for whoever leads, or do not any more. */
  readonly onLeadership: () => void;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** A command waits so long for Harbor, as it does for manifests. */
const oncePatienceMs = 10_000;

export class Resolving {
  readonly node: NodeResolutions;
  readonly #parts: ResolvingParts;
  readonly #needed = Promise.withResolvers<void>();
  #configuration: Configuration | undefined;
  #state: NodeState | undefined;
  #coordinating: Coordinating | undefined;
  #isNeeded = false;
  #isRunning = false;

  constructor(parts: ResolvingParts) {
    this.#parts = parts;
    this.node = new NodeResolutions({
      leadership: () => {
        if (!this.#isNeeded) return { state: 'off', resolvedAt: undefined };
        if (!this.#isRunning) return { state: 'alone', resolvedAt: undefined };
        return this.#coordinating?.leadership ?? { state: 'lost', resolvedAt: undefined };
      },
      resolve: async (before, signal) => await (await this.#load()).resolveForOwnNode(before, signal),
      onChange: parts.onChange,
      onLeadership: parts.onLeadership,
      recorder: parts.metrics,
      log: parts.log,
    });
  }

  /** For plans; undefined: nothing was resolved for this node. */
  describe(desired: Desired): PlanResolutionInput | undefined {
    const { origin, resolutions } = this.node;
    if (origin === undefined) return undefined;
    return { ...origin, desired, resolutions, atRisk: this.#coordinating?.retentionRisks ?? [] };
  }

  setConfiguration(configuration: Configuration): void {
    this.#configuration = configuration;
    this.#update();
    this.node.setConfiguration(configuration);
  }

  setNode(node: NodeState): void {
    this.#state = node;
    this.#update();
    this.node.setLabels(node.labels);
  }

  /** Nothing is loaded, and nobody asked, before a configuration needs it. `stateDir` undefined: there is no state folder. */
  async run(stateDir: string | undefined, signal: AbortSignal): Promise<void> {
    this.#isRunning = true;
    if (stateDir !== undefined) await this.node.load(createResolutionsStore(stateDir, this.#parts.log));
    await untilAborted(this.#needed.promise, signal).catch(() => undefined);
    if (signal.aborted) return await this.node.flush();
    const coordinating = await this.#load();
    try {
      await Promise.all([coordinating.run(signal), this.node.run(signal)]);
    } finally {
      await this.node.flush();
      await coordinating.close();
    }
  }

  /** For one look or one round without a running agent: what is published, or what this node finds out for itself in 10 s. */
  async resolveOnce(stateDir: string, signal: AbortSignal): Promise<void> {
    if (!this.#isNeeded) return;
    const { member, log } = this.#parts;
    await this.node.load(createResolutionsReader(stateDir, log));
    const patience = AbortSignal.any([signal, AbortSignal.timeout(oncePatienceMs)]);
    if (member !== undefined) {
      try {
        this.node.setPublished(await member.cluster.readResolved(patience));
        if (this.#isResolved) return;
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ error: Failure.from(error).message }, 'what was resolved for the cluster could not be read');
      }
    }
    if (!this.#isResolved || this.#isOld) await this.node.resolveNow(patience);
    signal.throwIfAborted();
    await this.#coordinating?.close();
  }

  get #isOld(): boolean {
    const { ageMs } = this.node;
    return ageMs === undefined || ageMs > (this.#configuration?.coordinator.intervalMs ?? 0);
  }

  get #isResolved(): boolean {
    const [configuration, node] = [this.#configuration, this.#state];
    if (configuration === undefined || node === undefined) return true;
    const sets = toSelectedSets(configuration, node.labels);
    return isResolved(this.node.resolutions, sets, toHarborHosts(configuration));
  }

  #update(): void {
    const [configuration, node] = [this.#configuration, this.#state];
    if (configuration === undefined || node === undefined) return;
    const concerned = this.#toConcern(configuration, node);
    this.#isNeeded = needsResolving(concerned, this.#parts.platform, this.#parts.member !== undefined);
    if (this.#isNeeded) this.#needed.resolve();
    this.#coordinating?.setConfiguration(this.#isNeeded ? concerned : undefined);
  }

  /** Without other nodes only what this one's sets ask for. */
  #toConcern(configuration: Configuration, { labels }: NodeState): Configuration {
    if (this.#parts.member !== undefined) return configuration;
    return { ...configuration, imageSets: toSelectedSets(configuration, labels) };
  }

  async #load(): Promise<Coordinating> {
    const { Coordinating: Loaded } = await import('./coordinating.ts');
    if (this.#coordinating !== undefined) return this.#coordinating;
    const { member } = this.#parts;
    this.#coordinating = new Loaded({
      ...this.#parts,
      cluster: member?.cluster,
      configuration: () => this.#configuration,
      labels: () => this.#state?.labels ?? {},
      known: this.node.resolutions,
      knownSince: this.node.origin?.at,
      onPublished: (resolutions) => this.node.setPublished(resolutions),
    });
    this.#update();
    return this.#coordinating;
  }
}

/**
 * Tags of other registries are worth a coordinator where there are nodes that would all ask after them; a node alone asks after them itself, as
 * often.
 */
function needsResolving(configuration: Configuration, platform: Platform, hasOthers: boolean): boolean {
  if (!hasOthers && toHarborHosts(configuration).size === 0) return false;
  const { images, patterns } = toDemand(configuration, [], platform);
  return images.length + patterns.length > 0;
}
