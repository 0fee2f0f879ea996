/** Finds the node's container runtime and connects to it: part of the composition root. */

import type { Logger } from './core/logger.ts';
import { sleep } from './core/sleep.ts';
import { connectRuntime, instrumentRuntime, socketIsDead } from './runtime/connect.ts';
import { detectRuntime } from './runtime/detection.ts';
import type { Settings } from './settings.ts';
import type { NodeInputs } from './work/node-inputs.ts';
import type { Recorder } from './work/recorder.ts';
import type { Connected } from './work/runtime-connection.ts';

export interface RuntimeFinder {
  /** Finds the runtime and asks it who it is. @throws Failure */
  connect(signal: AbortSignal): Promise<Connected>;
  /** The socket of the last connection was mounted as a file, and nobody will ever answer on it again. */
  isSocketDead(): Promise<boolean>;
}

/** Longer than the API server may take to tell of the Node before the last good one is made do with. */
const nodePatienceMs = 15_000;

export function createRuntimeFinder(
  settings: Pick<Settings, 'endpoint' | 'runtime' | 'cluster'>,
  inputs: NodeInputs,
  recorder: Pick<Recorder, 'runtimeOperation'>,
  log: Logger,
): RuntimeFinder {
  let endpoint: string | undefined;

  /** In a cluster the Node says which runtime is the kubelet's: another that also lives must not be taken for it. */
  async function readKubeletRuntime(signal: AbortSignal): Promise<string | undefined> {
    const isTold = settings.runtime !== 'auto' || settings.endpoint !== undefined;
    if (settings.cluster === undefined || isTold) return undefined;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(nodePatienceMs)]);
    while (inputs.node === undefined && !patience.aborted) await sleep(100, patience);
    signal.throwIfAborted();
    return inputs.node?.containerRuntimeVersion;
  }

  return {
    async connect(signal) {
      const kubeletRuntime = await readKubeletRuntime(signal);
      const request = { kind: settings.runtime, endpoint: settings.endpoint, kubeletRuntime };
      const found = await detectRuntime(request, signal);
      endpoint = found.endpoint;
      const runtime = instrumentRuntime(await connectRuntime(found), recorder.runtimeOperation);
      try {
        const info = await runtime.info(signal);
        log.info({ endpoint, findings: found.findings }, 'container runtime found');
        return { runtime, info };
      } catch (error) {
        runtime.close();
        throw error;
      }
    },
    isSocketDead: async () => endpoint !== undefined && (await socketIsDead(endpoint)),
  };
}
