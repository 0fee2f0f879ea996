/** How soon the agent is ready, and how soon a change of labels or configuration reaches the registry. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Folder, folderMark, makeFolder } from '../harness/folder.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { pushImage } from '../harness/push.ts';
import { type Proxy, startProxy } from '../harness/registry-proxy.ts';
import { answers200, findPort, makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { BusyNode } from './busy-node.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import type { BenchSettings } from './settings.ts';
import { percentile } from './statistics.ts';

const repository = 'latency/app';
const goals = { readyMs: 1000, changeMs: 250 };
const changeTimeoutMs = 20_000;
const pollingMs = 1000;
/** The rival's figures are plain: it needs no hundred changes. */
const rivalChanges = 20;

export async function runLatency(node: BusyNode, settings: BenchSettings): Promise<BenchResult> {
  const folder = await makeFolder('stv-b');
  const proxy = await startProxy({ backendPort: node.registry.port, tls: undefined, tokenLogin: undefined });
  try {
    const starts = await measureStarts(node, folder, settings);
    await pushTags(node, settings.changes);
    const changes = await measureChanges(node, proxy, folder, settings);
    const rival = await measurePolling(node, proxy, Math.min(rivalChanges, settings.changes));
    return conclude(node, settings, { ...starts, ...changes, [pollingVariant]: rival });
  } finally {
    await proxy.stop();
    await folder.remove();
  }
}

const startVariant = 'start to /readyz';
const bareVariant = 'start of a bare node to its first 200';
const configurationVariant = 'configuration change to first request';
const labelVariant = 'label change to first request';
const pollingVariant = 'the same, reading the file every second';

async function measureStarts(
  { runtime, registry, references }: BusyNode,
  folder: Folder,
  { starts }: BenchSettings,
): Promise<Record<string, number[]>> {
  const flags = await readImageFlags();
  const files = await makeAgentFiles(folder, `${runtime.kind}-start`, runtime);
  await files.setConfiguration(toConfiguration(registry.host, [{ name: 'present', images: references.slice(0, 50) }]));
  const own: number[] = [];
  const bare: number[] = [];
  for (let index = 0; index < starts; index += 1) {
    const agent = await startAgent(files, flags, AbortSignal.timeout(60_000));
    own.push(agent.readyMs);
    await agent.stop();
    bare.push(await measureBareStart(flags, folder));
  }
  return { [startVariant]: own, [bareVariant]: bare };
}

async function measureBareStart(flags: readonly string[], folder: Folder): Promise<number> {
  const port = await findPort();
  const script = `require('node:http').createServer((_, answer) => answer.end('ok')).listen(${port}, '127.0.0.1')`;
  const env = { ...process.env, [folderMark]: folder.name, NODE_OPTIONS: '' };
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...flags, '-e', script], { env, stdio: 'ignore' });
  while (!(await answers200(`http://127.0.0.1:${port}/`))) await sleep(4);
  const readyMs = performance.now() - startedAt;
  const exited = once(child, 'exit');
  child.kill();
  await exited;
  return readyMs;
}

/** Three tags for each change: one by configuration, one by label, one for the rival. */
async function pushTags({ registry }: BusyNode, changes: number): Promise<void> {
  const base = buildLayer({ seed: 'latency', sizeBytes: 4096 });
  for (let index = 0; index < changes; index += 1) {
    for (const kind of ['c', 'l', 'p']) {
      const image = buildImage({ layers: [base], labels: { tag: `${kind}${index}` } });
      await pushImage(registry.target, repository, `${kind}${index}`, image);
    }
  }
}

async function measureChanges(
  { runtime }: BusyNode,
  proxy: Proxy,
  folder: Folder,
  { changes }: BenchSettings,
): Promise<Record<string, number[]>> {
  const host = `127.0.0.1:${proxy.port}`;
  const files = await makeAgentFiles(folder, `${runtime.kind}-change`, runtime);
  const byLabel = Array.from({ length: changes }, (_, index) => ({
    name: `label-${index}`,
    label: `bench-${index}`,
    images: [`${host}/${repository}:l${index}`],
  }));
  const agent = await startAgent(files, await readImageFlags(), AbortSignal.timeout(60_000));
  const byConfiguration: number[] = [];
  const byLabels: number[] = [];
  try {
    let pulls = 0;
    for (let index = 0; index < changes; index += 1) {
      const set = { name: 'changing', images: [`${host}/${repository}:c${index}`] };
      byConfiguration.push(
        await timeChange(proxy, `c${index}`, () => files.setConfiguration(toConfiguration(host, [...byLabel, set]))),
      );
      await agent.logged('pull done', (pulls += 1), AbortSignal.timeout(changeTimeoutMs));
      await pause();
      byLabels.push(await timeChange(proxy, `l${index}`, () => files.setLabels({ [`bench-${index}`]: 'yes' })));
      await agent.logged('pull done', (pulls += 1), AbortSignal.timeout(changeTimeoutMs));
      await pause();
    }
  } finally {
    await agent.stop();
  }
  return { [configurationVariant]: byConfiguration, [labelVariant]: byLabels };
}

/** So that changes come at any moment of whatever the agent does regularly. */
async function pause(): Promise<void> {
  await sleep(100 + Math.random() * 300);
}

/** What an agent without file events would do: read, compare and pull once a second, in this process. */
async function measurePolling({ runtime }: BusyNode, proxy: Proxy, changes: number): Promise<number[]> {
  const host = `127.0.0.1:${proxy.port}`;
  let wanted: string | undefined;
  let pulled: string | undefined;
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      if (wanted !== pulled && wanted !== undefined)
        await runtime.pull((pulled = wanted), AbortSignal.timeout(changeTimeoutMs));
      await sleep(pollingMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const looping = loop();
  const times: number[] = [];
  for (let index = 0; index < changes; index += 1) {
    await sleep(500 + Math.random() * pollingMs);
    const change = async (): Promise<void> => {
      wanted = `${host}/${repository}:p${index}`;
    };
    times.push(await timeChange(proxy, `p${index}`, change));
  }
  stop.abort();
  await looping;
  return times;
}

/** Ms from just before the change until the first request for the tag arrived at the registry. */
async function timeChange(proxy: Proxy, tag: string, change: () => Promise<void>): Promise<number> {
  const path = `/v2/${repository}/manifests/${tag}`;
  const deadline = performance.now() + changeTimeoutMs;
  const startedAt = performance.now();
  await change();
  for (;;) {
    const request = proxy.requests.find((candidate) => candidate.path === path);
    if (request !== undefined) return request.at - startedAt;
    if (performance.now() > deadline) throw new Error(`no request for ${path} within ${changeTimeoutMs} ms`);
    await sleep(10);
  }
}

function conclude(
  { runtime }: BusyNode,
  { starts, changes, nodeImages, nodeContainers }: BenchSettings,
  measured: Readonly<Record<string, readonly number[]>>,
): BenchResult {
  const summary = Object.entries(measured).map(([variant, times]) => ({
    variant,
    count: times.length,
    minMs: percentile(times, 0),
    medianMs: percentile(times, 50),
    p99Ms: percentile(times, 99),
    maxMs: percentile(times, 100),
  }));
  printTable(
    `Latency on ${runtime.kind} ${runtime.version}, ${nodeImages} images, ${nodeContainers} containers; ms`,
    ['what', 'times', 'min', 'median', 'p99', 'max'],
    summary.map(({ variant, count, minMs, medianMs, p99Ms, maxMs }) => [
      variant,
      ...[count, minMs, medianMs, p99Ms, maxMs].map((value) => value.toFixed(0)),
    ]),
  );
  const all = [...(measured[configurationVariant] ?? []), ...(measured[labelVariant] ?? [])];
  return {
    bench: 'latency',
    runtime: { kind: runtime.kind, version: runtime.version },
    settings: { starts, changes, nodeImages, nodeContainers, pollingMs },
    verdicts: [
      toVerdict(
        `latency, ${runtime.kind}: ${startVariant}, median ms`,
        percentile(measured[startVariant] ?? [], 50),
        goals.readyMs,
      ),
      toVerdict(`latency, ${runtime.kind}: change to first request, p99 ms`, percentile(all, 99), goals.changeMs),
    ],
    figures: { summary },
  };
}
