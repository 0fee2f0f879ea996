/** Other tenants of the same containerd (`moby`, `buildkit`, …): how much of the disk is theirs alone. */

import type { Leftover } from '../../core/leftovers.ts';
import { mapBounded } from '../bounded.ts';
import type { CallOptions, GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { content, listNamespaces, snapshots } from './containerd-protocol.ts';
import { toContentPart } from './image-parts.ts';

const parallelCalls = 16;

/** @param own the kubelet's namespace: the one that is none of these */
export async function listNamespaceLeftovers(
  client: GrpcClient,
  snapshotter: string,
  own: string,
  signal: AbortSignal,
): Promise<Leftover[]> {
  const { namespaces } = await client.unary(listNamespaces, {}, signal);
  const names = namespaces.map(({ name }) => name);
  const others = names.filter((name) => name !== own);
  if (others.length === 0) return [];
  const blobs = new Map<string, ReadonlyMap<string, number>>();
  for (const name of names) blobs.set(name, await listBlobs(client, name, signal));
  const holders = countHolders(blobs.values());
  return await mapBounded(others, 1, async (name) => {
    let bytes = await sumSnapshots(client, name, snapshotter, signal);
    for (const [digest, size] of blobs.get(name) ?? []) if (holders.get(digest) === 1) bytes += size;
    return { kind: 'namespace', id: name, name, bytes, unusedSince: undefined } as const;
  });
}

function inNamespace(name: string): CallOptions {
  return { headers: { 'containerd-namespace': name } };
}

/** Namespaces share blobs on disk. */
async function listBlobs(
  client: GrpcClient,
  namespace: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const blobs = new Map<string, number>();
  for await (const { info } of client.stream(content.listSized, { filters: [] }, signal, inNamespace(namespace)))
    for (const blob of info) blobs.set(blob.digest, toContentPart(blob).bytes);
  return blobs;
}

function countHolders(namespaces: Iterable<ReadonlyMap<string, number>>): ReadonlyMap<string, number> {
  const holders = new Map<string, number>();
  for (const blobs of namespaces)
    for (const digest of blobs.keys()) holders.set(digest, (holders.get(digest) ?? 0) + 1);
  return holders;
}

/** Namespaces share no snapshots. */
async function sumSnapshots(
  client: GrpcClient,
  namespace: string,
  snapshotter: string,
  signal: AbortSignal,
): Promise<number> {
  const options = inNamespace(namespace);
  const keys: string[] = [];
  for await (const { info } of client.stream(snapshots.list, { snapshotter, filters: [] }, signal, options))
    keys.push(...info.map(({ name }) => name));
  const sizes = await mapBounded(keys, parallelCalls, async (key) => {
    try {
      return Number((await client.unary(snapshots.usage, { snapshotter, key }, signal, options)).size);
    } catch (error) {
      if (grpcCodeOf(error) === grpcCode.notFound) return 0;
      throw error;
    }
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}
