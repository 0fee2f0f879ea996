/** Memory and CPU of the agent on a busy node where nothing is to be done, scraped as Prometheus does it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Folder, folderMark, makeFolder } from '../harness/folder.ts';
import { answers200, findPort, makeAgentFiles, readImageFlags, startAgent, toConfiguration } from './agent.ts';
import type { BusyNode } from './busy-node.ts';
import { type BenchResult, printTable, toVerdict } from './report.ts';
import type { BenchRuntimeKind, BenchSettings } from './settings.ts';
import { type Memory, readCpuSeconds, readMemory } from './usage.ts';

interface Subject {
  readonly name: string;
  readonly runtime: BenchRuntimeKind | undefined;
  readonly pid: number;
  /** Scraped; undefined: nothing to scrape. */
  readonly metricsUrl: string | undefined;
  stop(): Promise<void>;
}

interface Footprint extends Memory {
  readonly name: string;
  readonly runtime: BenchRuntimeKind | undefined;
  readonly millicores: number;
  /** Of the JavaScript heap and what hangs on it, as the agent's own metrics say. */
  readonly heapUsedBytes: number | undefined;
  readonly heapTotalBytes: number | undefined;
  readonly externalBytes: number | undefined;
}

const scrapeEveryMs = 15_000;
/** Starting up is not idling. */
const settleMs = 15_000;
const desiredImages = 50;
const goals = { bytes: 72e6, millicores: 1 };

export async function runFootprint(nodes: readonly BusyNode[], settings: BenchSettings): Promise<BenchResult[]> {
  const folder = await makeFolder('stv-b');
  const subjects: Subject[] = [];
  try {
    const flags = await readImageFlags();
    for (const node of nodes) {
      subjects.push(await startSubject(node, 'stevedore', flags, folder));
      subjects.push(await startSubject(node, 'stevedore, no flags', [], folder));
    }
    subjects.push(await startBareNode('bare node', flags, folder));
    subjects.push(await startBareNode('bare node, no flags', [], folder));
    console.log(`idle for ${settings.idleMs / 60_000} minutes`);
    const footprints = await watch(subjects, settings.idleMs);
    printFootprints(footprints, settings);
    return nodes.map((node) => toResult(node, footprints, settings));
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
    await folder.remove();
  }
}

async function startSubject(
  { runtime, registry, references }: BusyNode,
  name: string,
  flags: readonly string[],
  folder: Folder,
): Promise<Subject> {
  const files = await makeAgentFiles(folder, `${runtime.kind} ${name}`.replaceAll(/\W+/g, '-'), runtime);
  const sets = [{ name: 'present', images: references.slice(0, desiredImages) }];
  await files.setConfiguration(toConfiguration(registry.host, sets));
  const agent = await startAgent(files, flags, AbortSignal.timeout(60_000));
  const { pid, stop } = agent;
  return { name, runtime: runtime.kind, pid, metricsUrl: `${agent.url}/metrics`, stop: () => stop() };
}

/** What Node itself costs: an HTTP server and nothing else. */
async function startBareNode(name: string, flags: readonly string[], folder: Folder): Promise<Subject> {
  const port = await findPort();
  const script = `require('node:http').createServer((_, answer) => answer.end('ok')).listen(${port}, '127.0.0.1')`;
  const env = { ...process.env, [folderMark]: folder.name, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, [...flags, '-e', script], { env, stdio: 'ignore' });
  while (!(await answers200(`http://127.0.0.1:${port}/`))) await sleep(20);
  const stop = async (): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill();
    await exited;
  };
  return { name, runtime: undefined, pid: child.pid ?? 0, metricsUrl: undefined, stop };
}

async function watch(subjects: readonly Subject[], idleMs: number): Promise<Footprint[]> {
  await sleep(Math.min(settleMs, idleMs));
  const startedAt = performance.now();
  const before = await Promise.all(subjects.map(({ pid }) => readCpuSeconds(pid)));
  let metrics: (string | undefined)[] = [];
  const endsAt = startedAt + idleMs;
  while (performance.now() < endsAt) {
    metrics = await Promise.all(subjects.map(scrape));
    await sleep(Math.min(scrapeEveryMs, Math.max(0, endsAt - performance.now())));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  return Promise.all(
    subjects.map(async ({ name, runtime, pid }, index) => ({
      name,
      runtime,
      ...(await readMemory(pid)),
      millicores: (1000 * ((await readCpuSeconds(pid)) - (before[index] ?? 0))) / seconds,
      heapUsedBytes: readMetric(metrics[index], 'nodejs_heap_size_used_bytes'),
      heapTotalBytes: readMetric(metrics[index], 'nodejs_heap_size_total_bytes'),
      externalBytes: readMetric(metrics[index], 'nodejs_external_memory_bytes'),
    })),
  );
}

async function scrape({ metricsUrl }: Subject): Promise<string | undefined> {
  return metricsUrl === undefined ? undefined : (await fetch(metricsUrl)).text();
}

function readMetric(text: string | undefined, name: string): number | undefined {
  const value = text === undefined ? undefined : new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

function printFootprints(footprints: readonly Footprint[], settings: BenchSettings): void {
  const megabytes = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / 1e6).toFixed(1));
  printTable(
    `Idle for ${settings.idleMs / 60_000} minutes, ${settings.nodeImages} images, ${settings.nodeContainers} containers; MB`,
    ['process', 'runtime', 'resident', 'PSS', 'private', 'heap used', 'heap', 'external', 'millicores'],
    footprints.map((footprint) => [
      footprint.name,
      footprint.runtime ?? '',
      megabytes(footprint.rssBytes),
      megabytes(footprint.pssBytes),
      megabytes(footprint.privateBytes),
      megabytes(footprint.heapUsedBytes),
      megabytes(footprint.heapTotalBytes),
      megabytes(footprint.externalBytes),
      footprint.millicores.toFixed(2),
    ]),
  );
}

function toResult({ runtime }: BusyNode, all: readonly Footprint[], settings: BenchSettings): BenchResult {
  const footprints = all.filter((footprint) => footprint.runtime === undefined || footprint.runtime === runtime.kind);
  const own = footprints.find(({ name }) => name === 'stevedore');
  const { idleMs, nodeImages, nodeContainers } = settings;
  return {
    bench: 'footprint',
    runtime: { kind: runtime.kind, version: runtime.version },
    settings: { idleMs, nodeImages, nodeContainers, desiredImages, scrapeEveryMs },
    verdicts: [
      toVerdict(`footprint, ${runtime.kind}: resident MB`, (own?.rssBytes ?? Infinity) / 1e6, goals.bytes / 1e6),
      toVerdict(`footprint, ${runtime.kind}: millicores`, own?.millicores ?? Infinity, goals.millicores),
    ],
    figures: { footprints },
  };
}
