/** What one planning round costs the agent and the runtime on a busy node, against the plain calls that anybody would make instead. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl } from '../../agent/control/control-client.ts';
import { createDockerClient } from '../../agent/runtime/docker/docker-client.ts';
import { makeFolder } from '../harness/folder.ts';
import { type BenchAgent, makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { BusyNode } from './busy-node.ts';
import { connectContainerd, lookAsKubelet } from './prune-rivals-containerd.ts';
import { type BenchResult, printTable } from './report.ts';
import type { BenchRuntime } from './runtime.ts';
import type { BenchSettings } from './settings.ts';
import { formatSpread, toSpread } from './statistics.ts';
import { readCpuSeconds } from './usage.ts';

interface Variant {
  readonly name: string;
  /** Whose CPU counts as the client's: the agent's, or this process's. */
  readonly pid: number;
  once(signal: AbortSignal): Promise<void>;
}

interface Measured {
  readonly variant: string;
  readonly firstMs: number;
  /** Of the later ones. */
  readonly ms: readonly number[];
  /** Of one later round. */
  readonly clientCpuMs: number;
  readonly daemonCpuMs: number;
}

const desiredImages = 50;
const timeoutMs = 300_000;
/** The agent's own first looks are over by then, and its next ones 25 s away. */
const settleMs = 3_000;
const pauseMs = 20;

export async function runPlanningRound(node: BusyNode, settings: BenchSettings): Promise<BenchResult> {
  const { runtime } = node;
  await using scope = new AsyncDisposableStack();
  const folder = await makeFolder('stv-b');
  scope.defer(() => folder.remove());
  const files = await makeAgentFiles(folder, `${runtime.kind}-planning`, runtime);
  const sets = [{ name: 'present', images: node.references.slice(0, desiredImages) }];
  await files.setConfiguration(toConfiguration(node.registry.host, sets));
  const agent = await startAgent(files, await readImageFlags(), AbortSignal.timeout(timeoutMs));
  scope.defer(() => agent.stop());
  await sleep(settleMs);
  const variants = [...(await toAgentVariants(agent, files.stateDir)), ...toRivals(runtime, scope)];
  const measured: Measured[] = [];
  for (const variant of variants) measured.push(await measure(variant, runtime, settings.looks));
  return report(runtime, settings, measured);
}

async function toAgentVariants({ pid }: BenchAgent, stateDir: string): Promise<readonly Variant[]> {
  const control = await connectControl(stateDir, AbortSignal.timeout(timeoutMs));
  if (control === undefined) throw new Error('the agent does not answer on its control socket');
  const order = { dryRun: true, tier: 'space', untilFreeBytes: undefined } as const;
  return [
    {
      name: 'stevedore, prune plan',
      pid,
      once: async (signal) => void (await control.pruneRound(order, () => undefined, signal)),
    },
    { name: 'stevedore plan', pid, once: async (signal) => void (await control.plan(signal)) },
  ];
}

function toRivals(runtime: BenchRuntime, scope: AsyncDisposableStack): readonly Variant[] {
  if (runtime.kind === 'containerd') {
    const client = connectContainerd(runtime.endpoint);
    scope.defer(() => client.close());
    return [
      {
        name: 'images, containers, ImageFsInfo',
        pid: process.pid,
        once: async (signal) => void (await lookAsKubelet(client, signal)),
      },
    ];
  }
  const client = createDockerClient(runtime.endpoint.replace('unix://', ''));
  scope.defer(() => client.close());
  const get = (path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> =>
    client.call({ method: 'GET', path, query }, timeoutMs, signal);
  return [
    {
      name: 'images, containers',
      pid: process.pid,
      once: async (signal) => {
        await Promise.all([get('/images/json', {}, signal), get('/containers/json', { all: '1' }, signal)]);
      },
    },
    { name: 'docker system df', pid: process.pid, once: async (signal) => void (await get('/system/df', {}, signal)) },
  ];
}

async function measure(variant: Variant, runtime: BenchRuntime, looks: number): Promise<Measured> {
  const signal = AbortSignal.timeout(timeoutMs);
  const firstMs = await time(() => variant.once(signal));
  const before = await readClocks(variant, runtime);
  const ms: number[] = [];
  for (let count = 0; count < looks; count += 1) {
    ms.push(await time(() => variant.once(signal)));
    await sleep(pauseMs);
  }
  const after = await readClocks(variant, runtime);
  return {
    variant: variant.name,
    firstMs,
    ms,
    clientCpuMs: (1000 * (after.client - before.client)) / looks,
    daemonCpuMs: (1000 * (after.daemon - before.daemon)) / looks,
  };
}

async function time(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function readClocks({ pid }: Variant, runtime: BenchRuntime): Promise<{ client: number; daemon: number }> {
  const [client, daemon] = await Promise.all([readCpuSeconds(pid), readCpuSeconds(runtime.pid)]);
  return { client, daemon };
}

function report(
  runtime: BenchRuntime,
  { nodeImages, nodeContainers, looks }: BenchSettings,
  measured: readonly Measured[],
): BenchResult {
  printTable(
    `Planning round on ${runtime.kind} ${runtime.version}, ${nodeImages} images, ${nodeContainers} containers; ms`,
    ['what', 'times', 'first', 'later: median (min-max)', 'CPU of the client', 'CPU of the runtime'],
    measured.map(({ variant, firstMs, ms, clientCpuMs, daemonCpuMs }) => [
      variant,
      String(ms.length),
      firstMs.toFixed(0),
      formatSpread(toSpread(ms), 0),
      clientCpuMs.toFixed(1),
      daemonCpuMs.toFixed(1),
    ]),
  );
  return {
    bench: 'planning-round',
    runtime: { kind: runtime.kind, version: runtime.version },
    settings: { nodeImages, nodeContainers, desiredImages, looks },
    // It runs every ten minutes: a price, not a promise.
    verdicts: [],
    figures: { measured },
  };
}
