/** What the commands do without a running agent: one plan, one round of pulls, one prune run, the removal of all traces. */

import { loadLabels } from './cluster/standalone.ts';
import { loadConfigurationFile } from './config/file-source.ts';
import { Failure } from './core/failure.ts';
import { formatMistakes } from './core/mistake.ts';
import { standaloneNode } from './core/node-state.ts';
import type { PlanInput } from './core/plan-document.ts';
import type { PruneOrder, PruneRoundEvent } from './core/prune-round.ts';
import type { PullRoundEvent, RoundOutcome } from './core/pull-round.ts';
import type { UninstallEvent } from './core/uninstall-round.ts';
import type { NodeAgent } from './node-agent.ts';
import type { Connected } from './work/runtime-connection.ts';
import { createLedgerReader, createLedgerStore } from './work/ledger-store.ts';
import { runUninstall, type Step, toClusterSteps, toTraceSteps } from './work/uninstall.ts';
import { removeState } from './work/uninstall-state.ts';

/** Changes nothing, not even in the state folder. */
export async function planOnce(agent: NodeAgent, signal: AbortSignal): Promise<PlanInput> {
  await loadInputs(agent, signal);
  await agent.resolving.resolveOnce(agent.settings.stateDir, signal);
  await agent.usage.load(createLedgerReader(agent.settings.stateDir));
  return await withRuntime(agent, signal, () => agent.planNow(signal));
}

/** The caller holds the state folder. */
export async function pullOnce(
  agent: NodeAgent,
  onEvent: (event: PullRoundEvent) => void,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  return await work(agent, signal, async (both) => {
    const ended = new AbortController();
    const either = AbortSignal.any([both, ended.signal]);
    const working = [agent.loop(either), agent.pruneJob.run(either, true), agent.member?.slots.run(either)];
    try {
      return await agent.reconciler.pullRound(onEvent, either);
    } finally {
      ended.abort();
      await Promise.allSettled([...working, agent.reconciler.stop()]);
    }
  });
}

/** The caller holds the state folder. */
export async function pruneOnce(
  agent: NodeAgent,
  order: PruneOrder,
  onEvent: (event: PruneRoundEvent) => void,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  return await work(agent, signal, (both) => agent.pruneNow(order, onEvent, both));
}

/** The caller holds the state folder, where there is one. */
export async function uninstallOnce(
  agent: NodeAgent,
  onEvent: (event: UninstallEvent) => void,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  const { settings, usage, log } = agent;
  const cluster = agent.member?.cluster;
  const optional = async (what: string, load: () => Promise<void>): Promise<void> => {
    await load().catch((error: unknown) => {
      signal.throwIfAborted();
      log.debug({ error: Failure.from(error).message }, `uninstalling without ${what}`);
    });
  };
  // They help to undo a removal that was cut off, and to tell which runtime it is.
  await optional('configuration', () => loadInputs(agent, signal));
  await optional('ledger', () => usage.load(createLedgerReader(settings.stateDir)));
  let isUndone = false;
  const undo = async (connected: Connected, both: AbortSignal): Promise<number> => {
    const restored = await agent.recover(connected, both);
    if (restored === undefined) throw new Failure('runtime', 'a removal that was cut off could not be undone');
    isUndone = true;
    return restored;
  };
  const others: readonly Step[] = [
    ...(cluster === undefined ? [] : toClusterSteps(cluster, settings.nodeName)),
    {
      name: 'state',
      run: () => {
        if (isUndone || usage.cutRemoval === undefined) return removeState(settings.stateDir);
        throw new Failure('other', 'kept for the next try: its ledger says which removal has to be undone');
      },
    },
  ];
  try {
    return await withRuntime(agent, signal, async (connected) => {
      const undoing: Step = { name: 'removals', run: (both) => undo(connected, both) };
      return await runUninstall([undoing, ...toTraceSteps(connected.runtime), ...others], onEvent, signal);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    const unreachable: Step = { name: 'runtime', run: () => Promise.reject(error) };
    return await runUninstall([unreachable, ...others], onEvent, signal);
  } finally {
    await cluster?.close();
  }
}

async function work<T>(agent: NodeAgent, signal: AbortSignal, use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { settings, usage, log } = agent;
  await loadInputs(agent, signal);
  await agent.resolving.resolveOnce(settings.stateDir, signal);
  await usage.load(createLedgerStore(settings.stateDir, log));
  return await withRuntime(agent, signal, async (connected) => {
    await agent.recover(connected, signal);
    try {
      return await use(signal);
    } finally {
      await usage.flush();
    }
  });
}

async function withRuntime<T>(
  agent: NodeAgent,
  signal: AbortSignal,
  use: (connected: Connected) => Promise<T>,
): Promise<T> {
  const connected = await agent.connect(signal);
  try {
    agent.useRuntime(connected);
    return await use(connected);
  } finally {
    connected.runtime.close();
    await agent.registry.close();
  }
}

/** Configuration and labels as they are now. @throws Failure with all their mistakes */
export async function loadInputs({ settings, inputs, member }: NodeAgent, signal: AbortSignal): Promise<void> {
  if (member !== undefined) return await member.readInputs(inputs, signal);
  const loaded = await loadConfigurationFile(settings.configFile);
  if (!loaded.ok) throw new Failure('other', formatMistakes(loaded.mistakes, settings.configFile));
  const own = await loadLabels(settings);
  if (!own.ok) throw new Failure('other', formatMistakes(own.mistakes, settings.labelsFile ?? ''));
  inputs.acceptNode(standaloneNode(settings.nodeName, own.labels));
  inputs.acceptConfiguration(loaded.configuration, loaded.warnings);
}
