/**
 * Snapshots that nothing uses and that the collector leaves alone all the same, because somebody marked them as roots
 * (`containerd.io/gc.root`, as `ctr snapshots prepare` does). Every other snapshot without a user goes with the collector's next run.
 */

import type { Leftover } from '../../core/leftovers.ts';
import { mapBounded } from '../bounded.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { content, images, type LeaseResource, listContainers, snapshots } from './containerd-protocol.ts';
import { toSnapshotReferences } from './document-links.ts';

const rootFilter = 'labels."containerd.io/gc.root"';
const parallelCalls = 16;

/** @param listHeld what living leases hold */
export async function listSnapshotLeftovers(
  client: GrpcClient,
  snapshotter: string,
  listHeld: (signal: AbortSignal) => Promise<readonly LeaseResource[]>,
  signal: AbortSignal,
): Promise<Leftover[]> {
  // Snapshots come first: who uses one that was just made is there when the rest is listed.
  const roots = await listParents(client, snapshotter, [rootFilter], signal);
  if (roots.size === 0) return [];
  const [parents, named, held] = await Promise.all([
    listParents(client, snapshotter, [], signal),
    listNamed(client, snapshotter, signal),
    listHeld(signal),
  ]);
  const inUse = new Set<string>();
  for (const name of named) addChain(name, parents, inUse);
  for (const { id, type } of held) if (type === `snapshots/${snapshotter}`) addChain(id, parents, inUse);
  const unused = [...roots.keys()].filter((name) => !inUse.has(name));
  const usages = await mapBounded(unused, parallelCalls, (key) => readUsage(client, snapshotter, key, signal));
  return unused.map((name, index) => ({
    kind: 'snapshot',
    id: name,
    name,
    bytes: usages[index],
    unusedSince: undefined,
  }));
}

/** After a look that it is still unused. One that others stand on is refused by containerd itself. */
export async function removeSnapshot(
  client: GrpcClient,
  snapshotter: string,
  key: string,
  list: (signal: AbortSignal) => Promise<readonly Leftover[]>,
  signal: AbortSignal,
): Promise<'removed' | 'absent' | 'in_use'> {
  try {
    await client.unary(snapshots.stat, { snapshotter, key }, signal);
    if (!(await list(signal)).some(({ id }) => id === key)) return 'in_use';
    await client.unary(snapshots.remove, { snapshotter, key }, signal);
    return 'removed';
  } catch (error) {
    const code = grpcCodeOf(error);
    if (code === grpcCode.notFound) return 'absent';
    if (code === grpcCode.failedPrecondition) return 'in_use';
    throw error;
  }
}

async function listParents(
  client: GrpcClient,
  snapshotter: string,
  filters: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const parents = new Map<string, string>();
  for await (const { info } of client.stream(snapshots.list, { snapshotter, filters }, signal))
    for (const { name, parent } of info) parents.set(name, parent);
  return parents;
}

/** By containers, sandboxes among them, by images, and by any blob that is here, be it of an image or of a pull. */
async function listNamed(client: GrpcClient, snapshotter: string, signal: AbortSignal): Promise<Set<string>> {
  const [{ containers }, { images: records }] = await Promise.all([
    client.unary(listContainers, { filters: [] }, signal),
    client.unary(images.list, { filters: [] }, signal),
  ]);
  const named = new Set(containers.map(({ snapshot_key }) => snapshot_key));
  for (const { labels } of records) for (const name of toSnapshotReferences(labels, snapshotter)) named.add(name);
  for await (const { info } of client.stream(content.listLabelled, { filters: [] }, signal))
    for (const { labels } of info) for (const name of toSnapshotReferences(labels, snapshotter)) named.add(name);
  return named;
}

function addChain(name: string, parents: ReadonlyMap<string, string>, into: Set<string>): void {
  for (let next = name; next !== '' && !into.has(next); next = parents.get(next) ?? '') into.add(next);
}

async function readUsage(
  client: GrpcClient,
  snapshotter: string,
  key: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    return Number((await client.unary(snapshots.usage, { snapshotter, key }, signal)).size);
  } catch (error) {
    if (grpcCodeOf(error) === grpcCode.notFound) return undefined;
    throw error;
  }
}
