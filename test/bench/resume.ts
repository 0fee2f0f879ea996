/** How much of what an aborted pull had got is fetched a second time, counted at the registry. */

import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../harness/folder.ts';
import { type Proxy, startProxy } from '../harness/registry-proxy.ts';
import { makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { ColdSet } from './cold-images.ts';
import type { BenchRegistry } from './registry.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import type { BenchRuntime } from './runtime.ts';

interface Run {
  readonly variant: string;
  /** Sent for blobs until the pull was aborted. */
  readonly gotBytes: number;
  /** Sent again afterwards; what the kernel had buffered when the client left counts here. */
  readonly againBytes: number;
  readonly ratio: number;
}

type Pull = (reference: string, proxy: Proxy, isHalf: () => Promise<void>, signal: AbortSignal) => Promise<void>;

const timeoutMs = 300_000;
const goal = 0.05;
/** Slower than the runtime takes: what the kernel buffers for a client that leaves would count as fetched. */
const linkBytesPerSecond = 50e6;
/** Before the second attempt; the runtime's collector has had its time by then. */
const restMs = 3_000;

export async function runResume(runtime: BenchRuntime, registry: BenchRegistry, set: ColdSet): Promise<BenchResult> {
  const proxy = await startProxy({ backendPort: registry.port, tls: undefined, tokenLogin: undefined });
  proxy.faults.bytesPerSecond = linkBytesPerSecond;
  const runs: Run[] = [];
  try {
    const name = set.biggest.slice(set.biggest.indexOf('/'));
    const reference = `127.0.0.1:${proxy.port}${name}`;
    const sizes = await readBlobSizes(registry, name.slice(1));
    runs.push(await measure('bare runtime', toRawPull(runtime), runtime, proxy, reference, sizes));
    runs.push(await measure('stevedore', toAgentPull(runtime), runtime, proxy, reference, sizes));
    await runtime.wipe();
  } finally {
    await proxy.stop();
  }
  printTable(
    `Resume on ${runtime.kind} ${runtime.version}: the biggest image, aborted at half`,
    ['variant', 'MB got before', 'MB fetched again', 'share'],
    runs.map(({ variant, gotBytes, againBytes, ratio }) => [
      variant,
      (gotBytes / 1e6).toFixed(1),
      (againBytes / 1e6).toFixed(1),
      `${(ratio * 100).toFixed(1)} %`,
    ]),
  );
  const own = runs.find(({ variant }) => variant === 'stevedore')?.ratio ?? Infinity;
  return {
    bench: 'resume',
    runtime: { kind: runtime.kind, version: runtime.version },
    settings: { imageBytes: set.biggestBytes, linkBytesPerSecond, restMs },
    // Docker keeps nothing of an aborted pull, whoever asks for it.
    verdicts: runtime.kind === 'docker' ? [] : [toVerdict('resume, containerd: share fetched again', own, goal)],
    figures: { runs },
  };
}

async function measure(
  variant: string,
  pull: Pull,
  runtime: BenchRuntime,
  proxy: Proxy,
  reference: string,
  sizes: ReadonlyMap<string, number>,
): Promise<Run> {
  await runtime.wipe();
  proxy.requests.length = 0;
  const half = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) / 2;
  const signal = AbortSignal.timeout(timeoutMs);
  let gotBytes = 0;
  const isHalf = async (): Promise<void> => {
    while (sumBytes(proxy, sizes) < half) await sleep(10, undefined, { signal });
  };
  const aborted = async (): Promise<void> => {
    while (proxy.requests.some(({ endedAt }) => endedAt === undefined)) await sleep(10, undefined, { signal });
    gotBytes = sumBytes(proxy, sizes);
  };
  await pull(reference, proxy, isHalf, signal);
  await aborted();
  await sleep(restMs);
  await pull(reference, proxy, () => new Promise(() => undefined), signal);
  const againBytes = sumBytes(proxy, sizes) - [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { variant, gotBytes, againBytes, ratio: againBytes / gotBytes };
}

/** Ends when the image is there or `isHalf` resolves, whichever comes first. */
function toRawPull(runtime: BenchRuntime): Pull {
  return async (reference, _proxy, isHalf, signal) => {
    const stop = new AbortController();
    const pulled = runtime.pull(reference, AbortSignal.any([signal, stop.signal])).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
    await Promise.race([pulled, isHalf()]);
    stop.abort();
    await pulled;
  };
}

/** The agent is stopped at half, as when its pod is replaced; the next one has the same state folder. */
function toAgentPull(runtime: BenchRuntime): Pull {
  return async (reference, proxy, isHalf, signal) => {
    const folder = await makeFolder('stv-b');
    try {
      const files = await makeAgentFiles(folder, 'agent', runtime);
      const host = `127.0.0.1:${proxy.port}`;
      await files.setConfiguration(toConfiguration(host, [{ name: 'biggest', images: [reference] }]));
      const agent = await startAgent(files, await readImageFlags(), signal);
      await Promise.race([agent.logged('pull done', 1, signal), isHalf()]);
      await agent.stop();
    } finally {
      await folder.remove();
    }
  };
}

function sumBytes(proxy: Proxy, sizes: ReadonlyMap<string, number>): number {
  return proxy.requests.reduce((sum, { path, method, bytes, status }) => {
    const isLayer = method === 'GET' && status < 300 && sizes.has(path.slice(path.lastIndexOf('/') + 1));
    return isLayer ? sum + bytes : sum;
  }, 0);
}

/** Of the layers; the config is a few hundred bytes, which the agent reads too. */
async function readBlobSizes(registry: BenchRegistry, name: string): Promise<ReadonlyMap<string, number>> {
  const [repository, tag] = name.split(':');
  const answer = await fetch(`${registry.target.origin}/v2/${repository}/manifests/${tag}`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  const { layers } = (await answer.json()) as { layers: readonly { digest: string; size: number }[] };
  return new Map(layers.map(({ digest, size }) => [digest, size]));
}
