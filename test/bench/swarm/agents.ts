/**
 * Agents of the swarm, put together as agent/agent.ts does it, in memory where the real one has a machine: the real member of a cluster (watches,
 * Leases, telling, Events, policy test, inputs) and the real reconciler on a fake runtime and a fake registry. Without HTTP port, ledger,
 * state folder, gate and pruning.
 */

import { join } from 'node:path';
import { type ClusterMember, createClusterMember } from '../../../agent/cluster-member.ts';
import type { Logger, LogFields } from '../../../agent/core/logger.ts';
import { parsePlatform } from '../../../agent/core/platform.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import { readBuildInfo } from '../../../agent/ops/build-info.ts';
import { createMetrics, type Metrics } from '../../../agent/ops/metrics.ts';
import type { PullRequest, PullResult } from '../../../agent/runtime/runtime.ts';
import { type Settings, toConfigurationSource, toLabelsSource } from '../../../agent/settings.ts';
import { NodeInputs } from '../../../agent/work/node-inputs.ts';
import { Pins } from '../../../agent/work/pins.ts';
import { runReconcileLoop } from '../../../agent/work/reconcile-loop.ts';
import { Reconciler } from '../../../agent/work/reconciler.ts';
import { RemovalLock } from '../../../agent/work/removal-lock.ts';
import { RuntimeConnection } from '../../../agent/work/runtime-connection.ts';
import { Trigger } from '../../../agent/work/trigger.ts';
import { UsageTracker } from '../../../agent/work/usage-tracker.ts';
import { toManifestSummary } from '../../fakes/fake-image.ts';
import { FakeRegistry } from '../../fakes/fake-registry.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { coldImage } from './cold-image.ts';

export interface SwarmAgentsParts {
  /** Takes as long as the node's share of the registry's link makes it. */
  readonly transfer: (node: string, signal: AbortSignal) => Promise<void>;
}

/** What a transfer says of itself so often that no stall is seen in it. */
const progressEveryMs = 60_000;
const lookIntervalMs = 300_000;

/** The fake runtime, whose pulls take their time on the registry's link. */
class SwarmRuntime extends FakeRuntime {
  readonly #transfer: (signal: AbortSignal) => Promise<void>;

  constructor(transfer: (signal: AbortSignal) => Promise<void>) {
    super();
    this.#transfer = transfer;
    this.registry.add(coldImage.reference, coldImage.spec);
  }

  override async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    const report = (): void => request.onProgress({ downloadedBytes: 0, totalBytes: undefined });
    report();
    const reporting = setInterval(report, progressEveryMs);
    try {
      await this.#transfer(signal);
    } finally {
      clearInterval(reporting);
    }
    return await super.pull(request, signal);
  }
}

export class SwarmAgents {
  readonly #parts: SwarmAgentsParts;
  readonly #complaints: Record<string, number> = {};
  readonly #slotWaits: number[] = [];
  readonly #never = new AbortController().signal;
  readonly #metrics: Metrics;
  #failedOpen = 0;
  #eventsDropped = 0;
  #watchRestarts = 0;

  constructor(parts: SwarmAgentsParts) {
    this.#parts = parts;
    // One for all: prom-client's own figures of a process would otherwise be taken by each of them.
    this.#metrics = {
      ...createMetrics(readBuildInfo({})),
      pullSlotAcquired: (seconds) => void this.#slotWaits.push(seconds),
      pullSlotFailedOpen: () => void (this.#failedOpen += 1),
      nodeEventDropped: () => void (this.#eventsDropped += 1),
      clusterWatchRestarted: () => void (this.#watchRestarts += 1),
    };
  }

  get figures() {
    return {
      complaints: this.#complaints,
      slotWaits: this.#slotWaits,
      failedOpen: this.#failedOpen,
      eventsDropped: this.#eventsDropped,
      watchRestarts: this.#watchRestarts,
    };
  }

  /** Resolves when both of its watches live. It runs until the process ends. */
  async start(nodeName: string, folder: string, isWarm: boolean): Promise<void> {
    const live = Promise.withResolvers<void>();
    const metrics: Metrics = {
      ...this.#metrics,
      clusterUp: (up) => (up ? live.resolve() : undefined),
    };
    const settings = toSettings(nodeName, join(folder, nodeName));
    const trigger = new Trigger();
    const member = await createClusterMember(settings, { trigger, metrics, log: this.#log }, this.#never);
    const runtime = new SwarmRuntime((signal) => this.#parts.transfer(nodeName, signal));
    if (isWarm) runtime.addImage(coldImage.reference, coldImage.spec);
    void this.#run(settings, { member, metrics, trigger, runtime }).catch((error: unknown) => live.reject(error));
    await live.promise;
  }

  async #run(
    settings: Settings,
    parts: { member: ClusterMember; metrics: Metrics; trigger: Trigger; runtime: SwarmRuntime },
  ): Promise<void> {
    const { member, metrics, trigger, runtime } = parts;
    const log = this.#log;
    const registry = new FakeRegistry();
    const content = runtime.registry.find(coldImage.reference);
    if (content !== undefined) registry.add(coldImage.reference, toManifestSummary(content));
    const usage = new UsageTracker({ recorder: metrics, log });
    const reconciler: Reconciler = new Reconciler({
      registry,
      credentialsOf: async () => [],
      readFilesystem: async () => runtime.filesystem(),
      platform: parsePlatform(content?.platform ?? 'linux/amd64'),
      toPolicy: toPullPolicy,
      onRuntimeLost: (lost, failure) => void connection.lost(lost, failure),
      usage,
      pins: new Pins(metrics, log),
      prune: {
        lock: new RemovalLock(() => trigger.fire()),
        reclaimableBytes: async () => 0,
        makeRoom: () => undefined,
        isMakingRoom: false,
      },
      slots: member.slots,
      announce: member.announce,
      gatedGoAt: member.gatedGoAt,
      onLooked: member.onLooked,
      onOutdated: member.onOutdated,
      recorder: metrics,
      log,
      trigger,
    });
    const connection = new RuntimeConnection({
      connect: async (signal) => ({ runtime, info: await runtime.info(signal) }),
      isSocketDead: async () => false,
      onUp: (connected) => {
        usage.startWatching();
        reconciler.setRuntime(connected);
      },
      onDown: (failure) => reconciler.setRuntime(undefined, failure),
      onEvent: (event) => {
        usage.hear(event);
        if (event.kind === 'image') trigger.fireSparsely(200, 2_000);
      },
      recorder: metrics,
      log,
    });
    const inputs = new NodeInputs({
      configurationSource: toConfigurationSource(settings),
      labelsSource: toLabelsSource(settings),
      recorder: metrics,
      log,
      onConfiguration: (configuration) => {
        reconciler.setConfiguration(configuration);
        member.onConfiguration(configuration);
      },
      onNode: (node) => reconciler.setNode(node),
      onProblem: () => undefined,
    });
    await usage.load(undefined);
    const idle = { onBeat: () => undefined, onLook: () => undefined };
    await Promise.all([
      // The one image has a tag that is never asked after again, on a registry that is no Harbor: nothing is resolved for it.
      member.run(inputs, () => undefined, undefined, this.#never),
      connection.run(this.#never),
      runReconcileLoop({ reconciler, trigger, lookIntervalMs: () => lookIntervalMs, ...idle }, this.#never),
    ]);
  }

  readonly #complain = (fields: LogFields, message: string): void => {
    const text = typeof fields['error'] === 'string' ? `${message}: ${fields['error'].slice(0, 120)}` : message;
    this.#complaints[text] = (this.#complaints[text] ?? 0) + 1;
  };

  readonly #log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: this.#complain,
    error: this.#complain,
  };
}

function toSettings(nodeName: string, kubeconfig: string): Settings & { cluster: NonNullable<Settings['cluster']> } {
  return {
    configFile: '',
    labels: {},
    labelsFile: undefined,
    nodeName,
    cluster: { nodeName, kubeconfig, namespace: 'stevedore', configMap: 'stevedore', gateTaint: undefined },
    runtime: 'auto',
    endpoint: undefined,
    imageFilesystem: undefined,
    ownImage: undefined,
    stateDir: '',
    listen: { host: '127.0.0.1', port: 0 },
    logLevel: 'silent',
  };
}
