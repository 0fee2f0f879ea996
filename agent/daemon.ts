/** The daemon: everything an agent does until it is told to stop. */

import { watchLabels } from './cluster/standalone.ts';
import { watchConfigurationFile } from './config/file-source.ts';
import { createControlServer } from './control/control-server.ts';
import { Failure, runtimeUnavailable } from './core/failure.ts';
import type { Labels } from './core/label-selector.ts';
import { standaloneNode } from './core/node-state.ts';
import { toPlanDocument } from './core/plan-document.ts';
import { sleep } from './core/sleep.ts';
import type { NodeAgent } from './node-agent.ts';
import { createHttpServer } from './ops/http-server.ts';
import { createLedgerStore } from './work/ledger-store.ts';
import { openStateFolder, type StateFolder } from './work/state-folder.ts';

/** A round asked for right after the start waits this long for the runtime and the configuration. */
const startPatienceMs = 10_000;

/** Resolves once the signal has fired and everything is put away. @throws Failure `other`, detail `state_folder_in_use` */
export async function runDaemon(agent: NodeAgent, signal: AbortSignal): Promise<void> {
  const { settings, log, metrics, health, inputs, registry, connection, reconciler, usage, pruneJob, resolving } =
    agent;
  const stateFolder = await openIfUsable(agent);
  await usage.load(stateFolder === undefined ? undefined : createLedgerStore(stateFolder.path, log));
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);

  /** @throws Failure with what is still missing when patience ends */
  async function started(waiting: AbortSignal): Promise<void> {
    const patience = AbortSignal.any([waiting, AbortSignal.timeout(startPatienceMs)]);
    while ((!agent.isConnected || inputs.problem !== undefined) && !patience.aborted) await sleep(100, patience);
    waiting.throwIfAborted();
    if (inputs.problem !== undefined) throw new Failure('other', inputs.problem);
    if (!agent.isConnected) throw runtimeUnavailable();
  }

  const http = createHttpServer({
    listen: settings.listen,
    health,
    metrics,
    plan: async () => toPlanDocument(agent.lastPlan()),
  });
  const control =
    stateFolder === undefined
      ? undefined
      : createControlServer(stateFolder.path, {
          plan: async (asking) => toPlanDocument(await agent.planNow(asking)),
          followRound: async (onEvent, following) => {
            await started(following);
            return await reconciler.pullRound(onEvent, following);
          },
          pruneRound: async (order, onEvent, asking) => {
            await started(asking);
            return await agent.pruneNow(order, onEvent, AbortSignal.any([asking, both]));
          },
        });
  try {
    const address = await http.start(both);
    await control?.start(both);
    log.info({ ...address, stateDir: stateFolder?.path }, 'listening');
    const parts = [
      ...watchInputs(agent, stateFolder?.path, both),
      connection.run(both),
      agent.loop(both),
      resolving.run(stateFolder?.path, both),
      pruneJob.run(both),
    ];
    // Each of them ends only by the signal or by a failure, and the first that ends takes the others with it.
    await Promise.all(parts.map((part) => part.finally(() => stop.abort())));
  } finally {
    stop.abort();
    await Promise.allSettled([reconciler.stop(), http.stop(), control?.stop(), registry.close()]);
    await usage.flush();
    await agent.member?.cluster.close();
    stateFolder?.close();
  }
}

/** From the cluster where there is one, else from files. */
function watchInputs(
  { settings, inputs, member, resolving }: NodeAgent,
  stateDir: string | undefined,
  signal: AbortSignal,
): readonly Promise<void>[] {
  if (member !== undefined)
    return [member.run(inputs, (configMaps) => resolving.node.setPublished(configMaps), stateDir, signal)];
  const configurationHandlers = {
    onConfiguration: inputs.acceptConfiguration.bind(inputs),
    onMistakes: inputs.refuseConfiguration.bind(inputs),
  };
  const labelHandlers = {
    onLabels: (labels: Labels) => inputs.acceptNode(standaloneNode(settings.nodeName, labels)),
    onMistakes: inputs.refuseLabels.bind(inputs),
  };
  return [
    watchConfigurationFile(settings.configFile, configurationHandlers, signal),
    watchLabels(settings, labelHandlers, signal),
  ];
}

/** A folder that cannot be used costs the control socket and pruning by age, not the agent. */
async function openIfUsable({ settings, log }: NodeAgent): Promise<StateFolder | undefined> {
  try {
    return await openStateFolder(settings.stateDir);
  } catch (error) {
    if (!(error instanceof Failure) || error.detail === 'state_folder_in_use') throw error;
    log.error(
      { error: error.message },
      'without a state folder: last use is not kept, nothing is pruned by age, and no command can speak with this agent',
    );
    return undefined;
  }
}
