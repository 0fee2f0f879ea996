/** The composition root: builds every part and connects them. Only the commands that run an agent import it. */

import { loadLabels, watchLabels } from './cluster/standalone.ts';
import { createCredentialStore } from './config/credential-files.ts';
import { loadConfigurationFile, watchConfigurationFile } from './config/file-source.ts';
import { createControlServer } from './control/control-server.ts';
import type { Configuration, Mistake } from './core/configuration.ts';
import { Failure } from './core/failure.ts';
import { parseReference } from './core/image-reference.ts';
import type { Labels } from './core/label-selector.ts';
import type { Logger } from './core/logger.ts';
import { formatMistakes } from './core/mistake.ts';
import { type PlanDocument, type PlanInput, toPlanDocument } from './core/plan-document.ts';
import { toPlatform } from './core/platform.ts';
import { toPullPolicy } from './core/pull-policy.ts';
import type { PullRoundEvent, RoundOutcome } from './core/pull-round.ts';
import { createHealth } from './ops/health.ts';
import { createHttpServer } from './ops/http-server.ts';
import type { Metrics } from './ops/metrics.ts';
import { createOciRegistry } from './registry/oci-registry.ts';
import { connectRuntime, instrumentRuntime, socketIsDead } from './runtime/connect.ts';
import { detectRuntime } from './runtime/detection.ts';
import { createFilesystemReader } from './runtime/disk.ts';
import type { Settings } from './settings.ts';
import { runReconcileLoop } from './work/reconcile-loop.ts';
import { Reconciler } from './work/reconciler.ts';
import { type Connected, RuntimeConnection } from './work/runtime-connection.ts';
import { openStateFolder } from './work/state-folder.ts';
import { Trigger } from './work/trigger.ts';

export interface AgentParts {
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Agent {
  /** The daemon; resolves once the signal has fired and everything is put away. */
  run(signal: AbortSignal): Promise<void>;
  /** One look that changes nothing, not even in the state folder. */
  plan(signal: AbortSignal): Promise<PlanInput>;
  /** One round without a running agent; the caller holds the state folder. Events end with `done`. */
  pullRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
}

/** Where events tell of changes, looking by the clock is only a safety net; a look costs the runtime some 70 ms of CPU. */
const lookIntervalMs = { withEvents: 300_000, withoutEvents: 30_000 };
/** Events come in swarms: a pull alone makes several. */
const eventDelayMs = 200;
const stuckAfterMs = 300_000;

export function createAgent(settings: Settings, { log, metrics }: AgentParts): Agent {
  const health = createHealth(stuckAfterMs);
  const trigger = new Trigger();
  const credentials = createCredentialStore(log);
  let configuration: Configuration | undefined;
  let labels: Labels | undefined;
  let connected: Connected | undefined;
  let endpoint: string | undefined;

  const registry = createOciRegistry({
    registries: () => configuration?.registries ?? [],
    platform: toPlatform(process.platform, process.arch),
    log,
  });
  const reconciler = new Reconciler({
    registry,
    credentialsOf: (image) =>
      credentials.credentialsFor(parseReference(image.reference), [
        image.credentials,
        configuration?.credentials ?? [],
      ]),
    readFilesystem: createFilesystemReader(settings.imageFilesystem, log),
    toPolicy: toPullPolicy,
    onRuntimeLost: (runtime, failure) => connection.lost(runtime, failure),
    recorder: metrics,
    log,
    trigger,
  });
  const connection = new RuntimeConnection({
    connect,
    isSocketDead: async () => endpoint !== undefined && (await socketIsDead(endpoint)),
    onUp: (up) => {
      connected = up;
      health.report('runtime', undefined);
      reconciler.setRuntime(up);
    },
    onDown: (failure) => {
      connected = undefined;
      health.report('runtime', failure.message);
      log.warn({ error: failure.message }, 'container runtime lost');
      reconciler.setRuntime(undefined, failure);
    },
    onEvent: ({ kind }) => {
      if (kind === 'image') trigger.fire(eventDelayMs);
    },
    recorder: metrics,
    log,
  });

  async function connect(signal: AbortSignal): Promise<Connected> {
    const found = await detectRuntime({ kind: settings.runtime, endpoint: settings.endpoint }, signal);
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

  function onConfiguration(accepted: Configuration): void {
    configuration = accepted;
    metrics.configurationLoaded(true, Date.now());
    health.report('configuration', undefined);
    log.info(
      { file: settings.configFile, imageSets: accepted.imageSets.map(({ name }) => name) },
      'configuration accepted',
    );
    reconciler.setConfiguration(accepted);
  }

  function onConfigurationMistakes(mistakes: readonly Mistake[]): void {
    metrics.configurationLoaded(false, Date.now());
    const inForce = configuration === undefined ? 'none is in force' : 'the last good one stays in force';
    log.error({ file: settings.configFile, mistakes }, `configuration refused, ${inForce}`);
    if (configuration === undefined) health.report('configuration', formatMistakes(mistakes, settings.configFile));
  }

  function onLabels(current: Labels): void {
    labels = current;
    log.info({ labels: current }, 'node labels');
    reconciler.setLabels(current);
  }

  function onLabelMistakes(mistakes: readonly Mistake[]): void {
    const inForce = labels === undefined ? 'no label set is in force' : 'the last good labels stay in force';
    log.error({ file: settings.labelsFile, mistakes }, `labels file refused, ${inForce}`);
    if (labels === undefined) health.report('configuration', formatMistakes(mistakes, settings.labelsFile ?? ''));
    else if (configuration !== undefined) health.report('configuration', undefined);
  }

  /** What the one-shot commands work on: both files as they are now, or their mistakes as a Failure. */
  async function loadInputs(signal: AbortSignal): Promise<{ configuration: Configuration; labels: Labels }> {
    const loaded = await loadConfigurationFile(settings.configFile);
    if (!loaded.ok) throw new Failure('other', formatMistakes(loaded.mistakes, settings.configFile));
    const own = await loadLabels(settings);
    if (!own.ok) throw new Failure('other', formatMistakes(own.mistakes, settings.labelsFile ?? ''));
    signal.throwIfAborted();
    configuration = loaded.configuration;
    labels = own.labels;
    reconciler.setLabels(labels);
    reconciler.setConfiguration(configuration);
    return { configuration, labels };
  }

  function toPlanInput(inputs: { configuration: Configuration; labels: Labels }, plan: PlanInput['plan']): PlanInput {
    const node = { name: settings.nodeName, labels: inputs.labels };
    return { node, runtime: connected?.info, configuration: inputs.configuration, plan };
  }

  /** The plan of the last look: whoever reads the port makes neither the runtime nor the registry work. */
  function lastPlan(): PlanDocument {
    if (configuration === undefined || labels === undefined || reconciler.plan === undefined) {
      throw new Failure('other', 'the node has not been looked at yet');
    }
    return toPlanDocument(toPlanInput({ configuration, labels }, reconciler.plan));
  }

  async function planNow(signal: AbortSignal): Promise<PlanDocument> {
    if (configuration === undefined || labels === undefined) throw new Failure('other', 'no configuration is in force');
    const plan = await reconciler.planOnly(signal);
    if (plan === undefined)
      throw new Failure('runtime', 'the container runtime does not answer', { detail: 'unavailable' });
    return toPlanDocument(toPlanInput({ configuration, labels }, plan));
  }

  function loop(signal: AbortSignal): Promise<void> {
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
  }

  return {
    run: async (signal) => {
      using stateFolder = disposable(await openStateFolder(settings.stateDir));
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const http = createHttpServer({ listen: settings.listen, health, metrics, plan: async () => lastPlan() });
      const control = createControlServer(stateFolder.path, {
        plan: planNow,
        followRound: (onEvent, following) => reconciler.pullRound(onEvent, following),
      });
      try {
        const address = await http.start(both);
        await control.start(both);
        log.info({ ...address, stateDir: stateFolder.path }, 'listening');
        // The first that ends takes the others with it: each of them only ends by the signal or by a failure.
        await Promise.all(
          [
            watchConfigurationFile(settings.configFile, { onConfiguration, onMistakes: onConfigurationMistakes }, both),
            watchLabels(settings, { onLabels, onMistakes: onLabelMistakes }, both),
            connection.run(both),
            loop(both),
          ].map((part) => part.finally(() => stop.abort())),
        );
      } finally {
        stop.abort();
        await Promise.allSettled([reconciler.stop(), http.stop(), control.stop(), registry.close()]);
      }
    },

    plan: async (signal) => {
      const inputs = await loadInputs(signal);
      connected = await connect(signal);
      try {
        reconciler.setRuntime(connected);
        const plan = await reconciler.planOnly(signal);
        if (plan === undefined) throw new Failure('other', 'the configuration changed meanwhile');
        return toPlanInput(inputs, plan);
      } finally {
        connected.runtime.close();
        await registry.close();
      }
    },

    pullRound: async (onEvent, signal) => {
      await loadInputs(signal);
      connected = await connect(signal);
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const looping = loop(both);
      try {
        reconciler.setRuntime(connected);
        return await reconciler.pullRound(onEvent, both);
      } finally {
        stop.abort();
        await Promise.allSettled([looping, reconciler.stop()]);
        connected.runtime.close();
        await registry.close();
      }
    },
  };
}

function disposable<T extends { close(): void }>(resource: T): T & Disposable {
  return Object.assign(resource, { [Symbol.dispose]: () => resource.close() });
}
