/** What resolves tags and patterns, for all nodes or for this one: part of the composition root, loaded where a configuration needs it. */

import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from './cluster/cluster.ts';
import { createCoordinatorClients } from './coordinator-clients.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import { Election } from './coordinator/election.ts';
import { ClusterPublication, MemoryPublication } from './coordinator/publication.ts';
import type { Configuration } from './core/configuration.ts';
import { Failure } from './core/failure.ts';
import type { Labels } from './core/label-selector.ts';
import type { Logger } from './core/logger.ts';
import type { Platform } from './core/platform.ts';
import type { Resolutions } from './core/resolution.ts';
import { sleep } from './core/sleep.ts';
import type { CredentialStore } from './config/credential-files.ts';
import type { Metrics } from './ops/metrics.ts';
import type { Leadership } from './work/node-resolutions.ts';

export interface CoordinatingParts {
  readonly nodeName: string;
  readonly platform: Platform;
  /** `stevedore/1.2.3` */
  readonly userAgent: string;
  /** Undefined: without Kubernetes, where this process coordinates for itself alone. */
  readonly cluster: Cluster | undefined;
  readonly credentials: CredentialStore;
  readonly configuration: () => Configuration | undefined;
  readonly labels: () => Labels;
  /** Without Kubernetes: what is known of earlier times, and what is found. */
  readonly known: Resolutions;
  /** Epoch ms; undefined: nothing is known. */
  readonly knownSince: number | undefined;
  readonly onPublished: (resolutions: Resolutions) => void;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** After work that failed as a whole. */
const leadAgainMs = 5_000;
const idleMs = 86_400_000;

export class Coordinating {
  readonly #parts: CoordinatingParts;
  readonly #coordinator: Coordinator;
  readonly #election: Election | undefined;
  readonly #close: () => Promise<void>;
  /** Without Kubernetes: when the last round was done, epoch ms. */
  #roundAt: number | undefined;
  #configuration: Configuration | undefined;
  #isOn = false;
  #changed = new AbortController();

  constructor(parts: CoordinatingParts) {
    this.#parts = parts;
    this.#roundAt = parts.knownSince;
    const { cluster, platform, credentials, configuration, labels, metrics, log } = parts;
    const registries = () => configuration()?.registries ?? [];
    const { close, ...clients } = createCoordinatorClients({ ...parts, registries });
    this.#close = close;
    this.#coordinator = new Coordinator({
      ...clients,
      credentialsFor: (image, own) => credentials.credentialsFor(image, [own, configuration()?.credentials ?? []]),
      publication:
        cluster === undefined
          ? new MemoryPublication(parts.onPublished, parts.known)
          : new ClusterPublication({ cluster, recorder: metrics, log }),
      listNodes: cluster === undefined ? undefined : (signal) => cluster.listNodes(signal),
      own: () => ({ labels: labels(), platform }),
      resolvedAt: () => this.leadership.resolvedAt,
      onRound: (at) => {
        if (this.#election === undefined) this.#roundAt = at;
        else this.#election.roundDone(at);
      },
      recorder: metrics,
      log,
    });
    this.#election =
      cluster === undefined
        ? undefined
        : new Election({
            cluster,
            nodeName: parts.nodeName,
            lead: (signal) => this.#coordinator.lead(signal),
            // The node looks by itself, every few seconds.
            onChange: () => undefined,
            recorder: metrics,
            log,
          });
  }

  get leadership(): Leadership {
    const election = this.#election;
    if (election === undefined) return { state: this.#isOn ? 'led' : 'alone', resolvedAt: this.#roundAt };
    return { state: election.isLedBySomebody ? 'led' : 'lost', resolvedAt: election.resolvedAt };
  }

  get retentionRisks() {
    return this.#coordinator.retentionRisks;
  }

  /** Undefined: nothing has to be resolved. */
  setConfiguration(configuration: Configuration | undefined): void {
    // Each one given to it is worked on at once.
    if (!isDeepStrictEqual(configuration, this.#configuration)) this.#coordinator.setConfiguration(configuration);
    this.#configuration = configuration;
    const isOn = configuration?.coordinator.enabled === true;
    this.#election?.setRole(isOn ? 'candidate' : 'off');
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    this.#changed.abort();
  }

  resolveForOwnNode(before: Resolutions, signal: AbortSignal): Promise<Resolutions> {
    return this.#coordinator.resolveForOwnNode(before, signal);
  }

  /** Resolves once the signal has fired, and the Lease is given back. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#election !== undefined) return await this.#election.run(signal);
    const { metrics, log } = this.#parts;
    while (!signal.aborted) {
      const changed = new AbortController();
      this.#changed = changed;
      metrics.coordinatorState(this.#isOn ? 'leader' : 'off');
      const both = AbortSignal.any([signal, changed.signal]);
      if (this.#isOn) {
        await this.#coordinator.lead(both).catch((error: unknown) => {
          if (!both.aborted) log.error({ error: Failure.from(error).message }, 'resolving failed and begins again');
        });
      }
      await sleep(this.#isOn ? leadAgainMs : idleMs, both);
    }
  }

  close(): Promise<void> {
    return this.#close();
  }
}
