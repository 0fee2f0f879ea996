/** Takes back what we left in containerd: pins, leases and ties. */

import { Failure } from '../../core/failure.ts';
import type { TraceKind } from '../../core/uninstall-round.ts';
import { mapBounded } from '../bounded.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import { images, leases, snapshots } from './containerd-protocol.ts';
import { dropPin, hasPinLabels } from './pins.ts';
import { tieLabel } from './removal-lease.ts';

/** Every lease of ours is named so, whatever it is for. */
const leasePrefix = 'stevedore-';
/** Deleting with `sync` waits for the collector, which deletes files. */
const collectDeadlineMs = 300_000;
const parallelCalls = 16;

/** As `Runtime.removeTraces`. */
export async function removeContainerdTraces(
  client: GrpcClient,
  kind: TraceKind,
  snapshotter: string,
  signal: AbortSignal,
): Promise<number> {
  switch (kind) {
    case 'pins':
      return await removePins(client, signal);
    case 'leases':
      return await removeLeases(client, signal);
    case 'ties':
      return await removeTies(client, snapshotter, signal);
    case 'guards':
      return 0;
  }
}

async function removePins(client: GrpcClient, signal: AbortSignal): Promise<number> {
  const { images: records } = await client.unary(images.list, { filters: [] }, signal);
  const names = records.flatMap(({ name, labels }) => (hasPinLabels(labels) ? [name] : []));
  return await forEach(names, (name) => dropPin(client, name, signal));
}

async function removeLeases(client: GrpcClient, signal: AbortSignal): Promise<number> {
  const { leases: all } = await client.unary(leases.list, { filters: [] }, signal);
  const ids = all.flatMap(({ id }) => (id.startsWith(leasePrefix) ? [id] : []));
  const [last, ...others] = ids.toReversed();
  if (last === undefined) return 0;
  await forEach(others, (id) => client.unary(leases.delete, { id, sync: false }, signal));
  // Its end brings the bytes of all of them back.
  await forEach([last], (id) =>
    client.unary(leases.delete, { id, sync: true }, signal, { deadlineMs: collectDeadlineMs }),
  );
  return ids.length;
}

/** A removal numbers the ties of a snapshot from 0. */
async function removeTies(client: GrpcClient, snapshotter: string, signal: AbortSignal): Promise<number> {
  let first = 0;
  for (let index = 0; ; index += 1) {
    const label = `${tieLabel}${index}`;
    const tied: string[] = [];
    const request = { snapshotter, filters: [`labels.${JSON.stringify(label)}`] };
    for await (const { info } of client.stream(snapshots.list, request, signal))
      tied.push(...info.map(({ name }) => name));
    if (tied.length === 0) return first;
    if (index === 0) first = tied.length;
    const update_mask = { paths: [`labels.${label}`] };
    await forEach(tied, (name) =>
      client.unary(snapshots.update, { snapshotter, info: { name, labels: {} }, update_mask }, signal),
    );
  }
}

/** All are tried. What is gone meanwhile needs nothing. @throws the first failure, afterwards */
async function forEach(names: readonly string[], take: (name: string) => Promise<unknown>): Promise<number> {
  const failures = await mapBounded(names, parallelCalls, async (name) => {
    try {
      await take(name);
      return undefined;
    } catch (error) {
      return grpcCodeOf(error) === grpcCode.notFound ? undefined : Failure.from(error, 'runtime');
    }
  });
  const failure = failures.find((one) => one !== undefined);
  if (failure !== undefined) throw failure;
  return names.length;
}
