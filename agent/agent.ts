/** The composition root: builds every part and connects them. Only the commands that run an agent import it. */

import type { ClusterMember } from './cluster-member.ts';
import { createCredentialStore } from './config/credential-files.ts';
import type { Credential } from './core/credentials.ts';
import type { Failure } from './core/failure.ts';
import { parseReference } from './core/image-reference.ts';
import type { Logger } from './core/logger.ts';
import { toPlatform } from './core/platform.ts';
import { toPullPolicy } from './core/pull-policy.ts';
import { runDaemon } from './daemon.ts';
import { joinCluster } from './join-cluster.ts';
import type { Agent, NodeAgent } from './node-agent.ts';
import { planOnce, pruneOnce, pullOnce, uninstallOnce } from './one-shot.ts';
import { createHealth } from './ops/health.ts';
import type { Metrics } from './ops/metrics.ts';
import { createNodeRegistry, toUserAgent } from './registries.ts';
import { Resolving } from './resolving.ts';
import { createFilesystemReader } from './runtime/disk.ts';
import { createRuntimeFinder } from './runtime-finder.ts';
import { type Settings, toConfigurationSource, toLabelsSource } from './settings.ts';
import { NodeInputs } from './work/node-inputs.ts';
import { Pins } from './work/pins.ts';
import { Planning } from './work/planning.ts';
import { PruneJob } from './work/prune-job.ts';
import { Pruner } from './work/pruner.ts';
import { toPruneSubject } from './work/prune-subject.ts';
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

/** @throws Failure `other` where the settings name a cluster that there is no way to */
export async function createAgent(settings: Settings, parts: AgentParts, signal: AbortSignal): Promise<Agent> {
  const trigger = new Trigger();
  const member = await joinCluster(settings, { ...parts, trigger }, signal);
  const agent = createNodeAgent(settings, parts, trigger, member);
  return {
    run: (running) => runDaemon(agent, running),
    plan: (asking) => planOnce(agent, asking),
    pullRound: (onEvent, asking) => pullOnce(agent, onEvent, asking),
    pruneRound: (order, onEvent, asking) => pruneOnce(agent, order, onEvent, asking),
    warm: async (request, onEvent, asking) =>
      await (await import('./warm-once.ts')).warmOnce(agent, request, onEvent, asking),
    uninstall: (onEvent, asking) => uninstallOnce(agent, onEvent, asking),
  };
}

function createNodeAgent(
  settings: Settings,
  { log, metrics }: AgentParts,
  trigger: Trigger,
  member: ClusterMember | undefined,
): NodeAgent {
  const health = createHealth(stuckAfterMs);
  const platform = toPlatform(process.platform, process.arch);
  const credentials = createCredentialStore(log);
  const lock = new RemovalLock(() => trigger.fireSparsely(eventDelayMs, eventGapMs));
  const usage = new UsageTracker({ recorder: metrics, log });
  const readFilesystem = createFilesystemReader(settings.imageFilesystem, log);
  let connected: Connected | undefined;

  const inputs = new NodeInputs({
    configurationSource: toConfigurationSource(settings),
    labelsSource: toLabelsSource(settings),
    recorder: metrics,
    log,
    onConfiguration: (configuration) => {
      resolving.setConfiguration(configuration);
      reconciler.setConfiguration(configuration);
      pruneJob.settingsChanged();
      member?.onConfiguration(configuration);
    },
    onNode: (node) => {
      resolving.setNode(node);
      reconciler.setNode(node);
    },
    onProblem: (problem) => health.report('configuration', problem),
  });
  const finder = createRuntimeFinder(settings, inputs, metrics, log);
  const registry = createNodeRegistry(() => inputs.configuration, platform, { metrics, log });
  const resolving = new Resolving({
    nodeName: settings.nodeName,
    platform,
    userAgent: toUserAgent(),
    member,
    credentials,
    onChange: (resolutions) => reconciler.setResolutions(resolutions),
    onLeadership: () => trigger.fire(),
    metrics,
    log,
  });

  const pruneSubject = () => toPruneSubject(inputs, reconciler, connected, settings.ownImage);
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
    announce: member?.announce,
    log,
  });
  const reconciler = new Reconciler({
    registry,
    credentialsOf: ({ reference, credentials: own }) =>
      credentials.credentialsFor(parseReference(reference), [own, inputs.configuration?.credentials ?? []]),
    readFilesystem,
    platform,
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
    slots: member?.slots,
    announce: member?.announce,
    gatedGoAt: member?.gatedGoAt,
    warmWaits: (images) => resolving.node.warmWaits(images),
    onLooked: member?.onLooked,
    onOutdated: member?.onOutdated,
    recorder: metrics,
    log,
    trigger,
  });
  const connection = new RuntimeConnection({
    connect: async (signal) => {
      const found = await finder.connect(signal);
      await recover(found, signal);
      return found;
    },
    isSocketDead: finder.isSocketDead,
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
    resolution: () => resolving.describe(reconciler.desired),
    log,
  });
  return {
    settings,
    log,
    metrics,
    health,
    inputs,
    registry,
    resolving,
    member,
    connection,
    reconciler,
    usage,
    pruneJob,
    get isConnected() {
      return connected !== undefined;
    },
    connect: finder.connect,
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
