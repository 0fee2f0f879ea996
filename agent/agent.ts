/** The composition root: builds every part and connects them. Only the commands that run an agent import it. */

import { createCredentialStore } from './config/credential-files.ts';
import type { Credential } from './core/credentials.ts';
import type { Failure } from './core/failure.ts';
import { parseReference } from './core/image-reference.ts';
import type { Logger } from './core/logger.ts';
import { toHolds } from './core/node-holds.ts';
import { toPlatform } from './core/platform.ts';
import { toPullPolicy } from './core/pull-policy.ts';
import { runDaemon } from './daemon.ts';
import type { Agent, NodeAgent } from './node-agent.ts';
import { planOnce, pruneOnce, pullOnce, uninstallOnce } from './one-shot.ts';
import { createHealth } from './ops/health.ts';
import type { Metrics } from './ops/metrics.ts';
import { createLazyRegistry } from './registry/lazy-registry.ts';
import { connectRuntime, instrumentRuntime, socketIsDead } from './runtime/connect.ts';
import { detectRuntime } from './runtime/detection.ts';
import { createFilesystemReader } from './runtime/disk.ts';
import type { Settings } from './settings.ts';
import { NodeInputs } from './work/node-inputs.ts';
import { Pins } from './work/pins.ts';
import { Planning } from './work/planning.ts';
import { PruneJob } from './work/prune-job.ts';
import { Pruner } from './work/pruner.ts';
import type { PruneSubject } from './work/prune-view.ts';
import { runReconcileLoop } from './work/reconcile-loop.ts';
import { Reconciler } from './work/reconciler.ts';
import { RemovalLock } from './work/removal-lock.ts';
import { recoverRemovals } from './work/removal-recovery.ts';
import { type Connected, RuntimeConnection } from './work/runtime-connection.ts';
import { Trigger } from './work/trigger.ts';
import { UsageTracker } from './work/usage-tracker.ts';

export interface AgentParts {
  readonly log: Logger;
  readonly metrics: Metrics;
}

export type { Agent } from './node-agent.ts';

/** Where events tell of changes, looking by the clock is only a safety net; a look costs the runtime some 70 ms of CPU. */
const lookIntervalMs = { withEvents: 300_000, withoutEvents: 30_000 };
/** Events come in swarms: a pull makes several, a garbage collection hundreds, and each look lists everything. */
const eventDelayMs = 200;
const eventGapMs = 2_000;
/** The loop comes around every 30 s, but a look may wait for a slow runtime. */
const stuckAfterMs = 300_000;

export function createAgent(settings: Settings, { log, metrics }: AgentParts): Agent {
  const agent = createNodeAgent(settings, log, metrics);
  return {
    run: (signal) => runDaemon(agent, signal),
    plan: (signal) => planOnce(agent, signal),
    pullRound: (onEvent, signal) => pullOnce(agent, onEvent, signal),
    pruneRound: (order, onEvent, signal) => pruneOnce(agent, order, onEvent, signal),
    uninstall: (onEvent, signal) => uninstallOnce(agent, onEvent, signal),
  };
}

function createNodeAgent(settings: Settings, log: Logger, metrics: Metrics): NodeAgent {
  const health = createHealth(stuckAfterMs);
  const trigger = new Trigger();
  const credentials = createCredentialStore(log);
  const lock = new RemovalLock(() => trigger.fireSparsely(eventDelayMs, eventGapMs));
  const usage = new UsageTracker({ recorder: metrics, log });
  const readFilesystem = createFilesystemReader(settings.imageFilesystem, log);
  let connected: Connected | undefined;
  let endpoint: string | undefined;

  const inputs = new NodeInputs({
    configurationSource: settings.configFile,
    labelsSource: settings.labelsFile ?? '--label',
    recorder: metrics,
    log,
    onConfiguration: (configuration) => {
      reconciler.setConfiguration(configuration);
      pruneJob.settingsChanged();
    },
    onNode: (node) => reconciler.setNode(node),
    onProblem: (problem) => health.report('configuration', problem),
  });
  const registry = createLazyRegistry(async () => {
    const { createOciRegistry } = await import('./registry/oci-registry.ts');
    return createOciRegistry({
      registries: () => inputs.configuration?.registries ?? [],
      platform: toPlatform(process.platform, process.arch),
      log,
    });
  });

  /** Everything that is desired must be known: with half of it, the rest would look unwanted. */
  function pruneSubject(): PruneSubject | undefined {
    const { configuration, node } = inputs;
    if (configuration === undefined || node === undefined || connected === undefined) return undefined;
    const { desiredNames: desired, pullingNames: pulling } = reconciler;
    const hold = toHolds(node, configuration.prefetch).prune;
    return { settings: configuration.prune, connected, desired, pulling, ownImage: settings.ownImage, hold };
  }
  const credentialsFor = (reference: string): Promise<readonly Credential[]> =>
    credentials.credentialsFor(parseReference(reference), [inputs.configuration?.credentials ?? []]);
  const pruner = new Pruner({
    lock,
    subject: pruneSubject,
    credentialsFor,
    usage,
    readFilesystem,
    recorder: metrics,
    log,
  });
  const pruneJob = new PruneJob({
    pruner,
    usage,
    nodeName: settings.nodeName,
    subject: pruneSubject,
    readFilesystem,
    onDone: () => trigger.fire(),
    log,
  });
  const reconciler = new Reconciler({
    registry,
    credentialsOf: ({ reference, credentials: own }) =>
      credentials.credentialsFor(parseReference(reference), [own, inputs.configuration?.credentials ?? []]),
    readFilesystem,
    toPolicy: toPullPolicy,
    onRuntimeLost: (runtime, failure) => {
      // A one-shot command has no connection that is kept up: its round ends.
      if (!connection.lost(runtime, failure) && runtime === connected?.runtime) useRuntime(undefined, failure);
    },
    usage,
    pins: new Pins(metrics, log),
    prune: {
      lock,
      reclaimableBytes: (signal) => pruner.reclaimableBytes(signal),
      makeRoom: (bytes) => pruneJob.makeRoom(bytes),
      get isMakingRoom() {
        return pruneJob.isMakingRoom;
      },
    },
    recorder: metrics,
    log,
    trigger,
  });
  const connection = new RuntimeConnection({
    connect: async (signal) => {
      const found = await connect(signal);
      await recover(found, signal);
      return found;
    },
    isSocketDead: async () => endpoint !== undefined && (await socketIsDead(endpoint)),
    onUp: (up) => {
      health.report('runtime', undefined);
      useRuntime(up);
    },
    onDown: (failure) => {
      health.report('runtime', failure.message);
      log.warn({ error: failure.message }, 'container runtime lost');
      useRuntime(undefined, failure);
    },
    onEvent: (event) => {
      usage.hear(event);
      if (event.kind === 'image') trigger.fireSparsely(eventDelayMs, eventGapMs);
    },
    recorder: metrics,
    log,
  });

  async function connect(signal: AbortSignal): Promise<Connected> {
    endpoint = settings.endpoint;
    const found = await detectRuntime({ kind: settings.runtime, endpoint }, signal);
    endpoint = found.endpoint;
    const runtime = instrumentRuntime(await connectRuntime(found), metrics.runtimeOperation);
    try {
      const info = await runtime.info(signal);
      log.info({ endpoint, findings: found.findings }, 'container runtime found');
      return { runtime, info };
    } catch (error) {
      runtime.close();
      throw error;
    }
  }

  function recover({ runtime }: Connected, signal: AbortSignal): Promise<number | undefined> {
    return recoverRemovals(runtime, usage, credentialsFor, log, signal);
  }

  function useRuntime(now: Connected | undefined, lostBy?: Failure): void {
    connected = now;
    if (now === undefined) usage.stopWatching();
    else usage.startWatching();
    reconciler.setRuntime(now, lostBy);
  }

  const planning = new Planning({
    nodeName: settings.nodeName,
    inputs,
    reconciler,
    pruner,
    usage,
    readFilesystem,
    connected: () => connected,
    log,
  });
  return {
    settings,
    log,
    metrics,
    health,
    inputs,
    registry,
    cluster: undefined,
    connection,
    reconciler,
    usage,
    pruneJob,
    get isConnected() {
      return connected !== undefined;
    },
    connect,
    recover,
    useRuntime,
    planNow: (signal) => planning.planNow(signal),
    lastPlan: () => planning.lastPlan(),
    pruneNow: (order, onEvent, signal) => planning.pruneNow(order, onEvent, signal),
    loop: (signal) => {
      const hasEvents = (): boolean => connected?.info.capabilities.events === true;
      return runReconcileLoop(
        {
          reconciler,
          trigger,
          lookIntervalMs: () => (hasEvents() ? lookIntervalMs.withEvents : lookIntervalMs.withoutEvents),
          onBeat: health.advance,
          onLook: () => health.report('first_look', undefined),
        },
        signal,
      );
    },
  };
}
