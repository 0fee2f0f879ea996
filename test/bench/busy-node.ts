/** A runtime that holds as many images and containers as a busy node. */

import { buildImage, buildLayer } from '../harness/images.ts';
import { pushImage } from '../harness/push.ts';
import { type BenchRegistry, startBenchRegistry } from './registry.ts';
import { type BenchRuntime, startRuntime } from './runtime.ts';
import type { BenchRuntimeKind, BenchSettings } from './settings.ts';

export interface BusyNode {
  readonly runtime: BenchRuntime;
  readonly registry: BenchRegistry;
  readonly references: readonly string[];
}

const pullsAtOnce = 4;
const createsAtOnce = 4;
const imagesPerRepository = 25;
const fillTimeoutMs = 600_000;

/** Small images, each with three layers of which it shares two, pulled from a registry as on a real node. */
export async function startBusyNode(
  kind: BenchRuntimeKind,
  { nodeImages, nodeContainers }: BenchSettings,
  scope: AsyncDisposableStack,
): Promise<BusyNode> {
  console.log(`filling ${kind} with ${nodeImages} images and ${nodeContainers} containers`);
  const registry = await startBenchRegistry();
  scope.defer(() => registry.remove());
  const runtime = await startRuntime(kind);
  scope.defer(() => runtime.remove());
  const references = await pushImages(registry, nodeImages);
  const signal = AbortSignal.timeout(fillTimeoutMs);
  await forEach(references, pullsAtOnce, (reference) => runtime.pull(reference, signal));
  const containers = Array.from({ length: nodeContainers }, (_, index) => index);
  await forEach(containers, createsAtOnce, (index) =>
    runtime.createContainer(references[index % references.length] ?? '', `bench-${index}`),
  );
  return { runtime, registry, references };
}

async function pushImages(registry: BenchRegistry, count: number): Promise<string[]> {
  const base = buildLayer({ seed: 'base', sizeBytes: 4096 });
  const references: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const family = Math.floor(index / imagesPerRepository);
    const repository = `team-${family % 5}/service-${family}`;
    const tag = `1.${index % imagesPerRepository}`;
    const layers = [
      base,
      buildLayer({ seed: `runtime ${family}`, sizeBytes: 4096 }),
      buildLayer({ seed: `app ${index}`, sizeBytes: 2048 }),
    ];
    const image = buildImage({ layers, entrypoint: ['/bin/true'], labels: { index: String(index) } });
    await pushImage(registry.target, repository, tag, image);
    references.push(`${registry.host}/${repository}:${tag}`);
  }
  return references;
}

async function forEach<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
