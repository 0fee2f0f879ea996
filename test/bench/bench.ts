/** Runs the benches that the command line names, prints tables and writes results. Node 24; run.mjs does the set-up. */

import { errorMessage } from '../../agent/core/failure.ts';
import { runColdSet } from './cold-set.ts';
import { provideColdSet } from './cold-images.ts';
import { type BusyNode, startBusyNode } from './busy-node.ts';
import { runEviction } from './eviction.ts';
import { runFootprint } from './footprint.ts';
import { runImageSize } from './image-size.ts';
import { runLatency } from './latency.ts';
import { runPlanningRound } from './planning-round.ts';
import { runPrune } from './prune.ts';
import { startBenchRegistry } from './registry.ts';
import { type BenchResult, printVerdicts, saveResult } from './report.ts';
import { runResume } from './resume.ts';
import { startRuntime } from './runtime.ts';
import { type BenchName, type BenchSettings, parseSettings, usage } from './settings.ts';
import { runSwarm } from './swarm.ts';
import { runWarm } from './warm.ts';
import type { RealHarbor } from './warm/place.ts';

const coldSetBenches: ReadonlySet<BenchName> = new Set(['cold-set', 'resume', 'prune']);
const busyNodeBenches: ReadonlySet<BenchName> = new Set(['latency', 'footprint', 'planning-round']);

await main();

async function main(): Promise<void> {
  let settings: BenchSettings;
  try {
    settings = parseSettings(process.argv.slice(2));
  } catch (error) {
    console.error(`${errorMessage(error)}\n${usage}`);
    process.exitCode = 2;
    return;
  }
  const results: BenchResult[] = [];
  for await (const result of runBenches(settings)) {
    results.push(result);
    printVerdicts(result.verdicts);
    if (settings.resultsFolder !== undefined) await saveResult(settings.resultsFolder, result);
  }
  console.log('\nAll verdicts');
  printVerdicts(results.flatMap(({ verdicts }) => verdicts));
}

async function* runBenches(settings: BenchSettings): AsyncGenerator<BenchResult> {
  const { benches, runtimes } = settings;
  if (benches.some((name) => coldSetBenches.has(name))) {
    await using scope = new AsyncDisposableStack();
    const registry = await startBenchRegistry(settings.keptSet);
    scope.defer(() => registry.remove());
    console.log('building the cold set');
    const set = await provideColdSet(registry, settings);
    const { blobs, compressedBytes, unpackedBytes, biggestBytes } = set;
    console.log({ blobs, compressedBytes, unpackedBytes, biggestBytes });
    for (const kind of runtimes) {
      const runtime = await startRuntime(kind);
      try {
        if (benches.includes('cold-set')) yield await runColdSet(runtime, registry, set, settings);
        if (benches.includes('resume')) yield await runResume(runtime, registry, set);
      } finally {
        await runtime.remove();
      }
      if (benches.includes('prune')) yield await runPrune(kind, registry, set, settings);
    }
  }
  if (benches.some((name) => busyNodeBenches.has(name))) {
    await using scope = new AsyncDisposableStack();
    const nodes: BusyNode[] = [];
    for (const kind of runtimes) nodes.push(await startBusyNode(kind, settings, scope));
    if (benches.includes('latency')) for (const node of nodes) yield await runLatency(node, settings);
    if (benches.includes('planning-round')) for (const node of nodes) yield await runPlanningRound(node, settings);
    if (benches.includes('footprint')) yield* await runFootprint(nodes, settings);
  }
  if (benches.includes('eviction')) yield await runEviction(settings);
  if (benches.includes('image-size')) yield await runImageSize();
  if (benches.includes('swarm')) yield await runSwarm(settings);
  if (benches.includes('warm')) yield await runWarm({ ...settings, harbor: toRealHarbor(settings) });
}

/** The administrator's login comes by the environment, so that no list of processes shows it. */
function toRealHarbor({ harborUrl: url }: BenchSettings): RealHarbor | undefined {
  const { HARBOR_USERNAME: username = '', HARBOR_PASSWORD: password = '' } = process.env;
  return url === undefined ? undefined : { url: url.replace(/\/+$/, ''), admin: { username, password } };
}
