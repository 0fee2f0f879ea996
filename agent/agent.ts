/** The composition root: builds every part and connects them. Only the commands that run an agent import it. */

import { loadLabels, watchLabels } from './cluster/standalone.ts';
import { createCredentialStore } from './config/credential-files.ts';
import { loadConfigurationFile, watchConfigurationFile } from './config/file-source.ts';
import { createControlServer } from './control/control-server.ts';
import { Failure } from './core/failure.ts';
import { parseReference } from './core/image-reference.ts';
import type { Logger } from './core/logger.ts';
import { formatMistakes } from './core/mistake.ts';
import { type PlanDocument, type PlanInput, toPlanDocument } from './core/plan-document.ts';
import type { PullPlan } from './core/pull-plan.ts';
import { toPlatform } from './core/platform.ts';
import { toPullPolicy } from './core/pull-policy.ts';
import type { PullRoundEvent, RoundOutcome } from './core/pull-round.ts';
import { createHealth } from './ops/health.ts';
import { createHttpServer } from './ops/http-server.ts';
import type { Metrics } from './ops/metrics.ts';
import { createLazyRegistry } from './registry/lazy-registry.ts';
import { connectRuntime, instrumentRuntime, socketIsDead } from './runtime/connect.ts';
import { detectRuntime } from './runtime/detection.ts';
import { createFilesystemReader } from './runtime/disk.ts';
import type { Settings } from './settings.ts';
import { NodeInputs } from './work/node-inputs.ts';
import { runReconcileLoop } from './work/reconcile-loop.ts';
import { Reconciler } from './work/reconciler.ts';
import { type Connected, RuntimeConnection } from './work/runtime-connection.ts';
import { sleep } from './core/sleep.ts';
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
/** Events come in swarms: a pull makes several, a garbage collection hundreds, and each look lists everything. */
const eventDelayMs = 200;
const eventGapMs = 2_000;
/** The loop comes around every 30 s, but a look may wait for a slow runtime. */
const stuckAfterMs = 300_000;
/** A round asked for right after the start waits this long for the runtime and the configuration. */
const startPatienceMs = 10_000;

export function createAgent(settings: Settings, { log, metrics }: AgentParts): Agent {
  const health = createHealth(stuckAfterMs);
  const trigger = new Trigger();
  const credentials = createCredentialStore(log);
  const inputs = new NodeInputs({
    configurationSource: settings.configFile,
    labelsSource: settings.labelsFile ?? '--label',
    recorder: metrics,
    log,
    onConfiguration: (configuration) => reconciler.setConfiguration(configuration),
    onLabels: (labels) => reconciler.setLabels(labels),
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
  const reconciler = new Reconciler({
    registry,
    credentialsOf: ({ reference, credentials: own }) =>
      credentials.credentialsFor(parseReference(reference), [own, inputs.configuration?.credentials ?? []]),
    readFilesystem: createFilesystemReader(settings.imageFilesystem, log),
    toPolicy: toPullPolicy,
    onRuntimeLost: (runtime, failure) => {
      // A one-shot command has no connection that is kept up: its round ends.
      if (!connection.lost(runtime, failure) && runtime === connected?.runtime) useRuntime(undefined, failure);
    },
    recorder: metrics,
    log,
    trigger,
  });
  let connected: Connected | undefined;
  let endpoint: string | undefined;
  const connection = new RuntimeConnection({
    connect,
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
    onEvent: ({ kind }) => {
      if (kind === 'image') trigger.fireSparsely(eventDelayMs, eventGapMs);
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

  function useRuntime(now: Connected | undefined, lostBy?: Failure): void {
    connected = now;
    reconciler.setRuntime(now, lostBy);
  }

  /** What the one-shot commands work on: the files as they are now. @throws Failure with all their mistakes */
  async function loadInputs(): Promise<void> {
    const loaded = await loadConfigurationFile(settings.configFile);
    if (!loaded.ok) throw new Failure('other', formatMistakes(loaded.mistakes, settings.configFile));
    const own = await loadLabels(settings);
    if (!own.ok) throw new Failure('other', formatMistakes(own.mistakes, settings.labelsFile ?? ''));
    inputs.acceptLabels(own.labels);
    inputs.acceptConfiguration(loaded.configuration);
  }

  function toPlanInput(plan: PullPlan | undefined): PlanInput {
    const { configuration, labels, problem } = inputs;
    if (configuration === undefined || labels === undefined)
      throw new Failure('other', problem ?? 'nothing is known yet');
    if (plan === undefined) throw unavailable();
    return { node: { name: settings.nodeName, labels }, runtime: connected?.info, configuration, plan };
  }

  async function planNow(signal: AbortSignal): Promise<PlanDocument> {
    return toPlanDocument(toPlanInput(await reconciler.planOnly(signal)));
  }

  async function followRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(startPatienceMs)]);
    while ((connected === undefined || inputs.problem !== undefined) && !patience.aborted) await sleep(100, patience);
    signal.throwIfAborted();
    if (inputs.problem !== undefined) throw new Failure('other', inputs.problem);
    if (connected === undefined) throw unavailable();
    return reconciler.pullRound(onEvent, signal);
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
      const stateFolder = await openStateFolder(settings.stateDir);
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      // Whoever reads the port makes neither the runtime nor the registry work: it gets the plan of the last look.
      const lastPlan = async (): Promise<PlanDocument> => toPlanDocument(toPlanInput(reconciler.plan));
      const http = createHttpServer({ listen: settings.listen, health, metrics, plan: lastPlan });
      const control = createControlServer(stateFolder.path, { plan: planNow, followRound });
      const configurationHandlers = {
        onConfiguration: inputs.acceptConfiguration.bind(inputs),
        onMistakes: inputs.refuseConfiguration.bind(inputs),
      };
      const labelHandlers = {
        onLabels: inputs.acceptLabels.bind(inputs),
        onMistakes: inputs.refuseLabels.bind(inputs),
      };
      try {
        const address = await http.start(both);
        await control.start(both);
        log.info({ ...address, stateDir: stateFolder.path }, 'listening');
        const parts = [
          watchConfigurationFile(settings.configFile, configurationHandlers, both),
          watchLabels(settings, labelHandlers, both),
          connection.run(both),
          loop(both),
        ];
        // Each of them ends only by the signal or by a failure, and the first that ends takes the others with it.
        await Promise.all(parts.map((part) => part.finally(() => stop.abort())));
      } finally {
        stop.abort();
        await Promise.allSettled([reconciler.stop(), http.stop(), control.stop(), registry.close()]);
        stateFolder.close();
      }
    },

    plan: async (signal) => {
      await loadInputs();
      const now = await connect(signal);
      try {
        useRuntime(now);
        return toPlanInput(await reconciler.planOnly(signal));
      } finally {
        now.runtime.close();
        await registry.close();
      }
    },

    pullRound: async (onEvent, signal) => {
      await loadInputs();
      const now = await connect(signal);
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const looping = loop(both);
      try {
        useRuntime(now);
        return await reconciler.pullRound(onEvent, both);
      } finally {
        stop.abort();
        await Promise.allSettled([looping, reconciler.stop()]);
        now.runtime.close();
        await registry.close();
      }
    },
  };
}

function unavailable(): Failure {
  return new Failure('runtime', 'the container runtime does not answer', { detail: 'unavailable' });
}
