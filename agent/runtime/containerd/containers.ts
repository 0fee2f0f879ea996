/** All containers of the node: containerd's own list, which also has those made by `ctr` and the sandboxes' pause containers. */

import { toImageId, toRuntimeContainer, toStoredName } from '../cri/cri-calls.ts';
import { cri } from '../cri/cri-protocol.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { toEpochMs } from '../grpc/descriptor.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import type { ContainerState, RuntimeContainer } from '../runtime.ts';
import { mapBounded } from './bounded.ts';
import { type ContainerRecord, getTask, listContainers } from './containerd-protocol.ts';

const parallelCalls = 16;
const sandboxReady = 0;
/** A shim that hangs must not hold up the list. */
const taskDeadlineMs = 5_000;
/** containerd's task status: 1 created, 2 running, 3 stopped, 4 paused, 5 pausing. */
const taskStates: readonly ContainerState[] = ['unknown', 'created', 'running', 'exited', 'running', 'running'];

export async function listAllContainers(
  client: GrpcClient,
  findImageId: (name: string, signal: AbortSignal) => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<RuntimeContainer[]> {
  const [records, ours, sandboxes] = await Promise.all([
    client.unary(listContainers, { filters: [] }, signal),
    client.unary(cri.listContainers, {}, signal),
    client.unary(cri.listPodSandbox, {}, signal),
  ]);
  const byKubelet = new Map(ours.containers.map((container) => [container.id, toRuntimeContainer(container)]));
  const sandboxState = new Map(
    sandboxes.items.map(({ id, state }) => [id, state === sandboxReady ? ('running' as const) : ('exited' as const)]),
  );

  // The CRI knows its containers' state and image already; only what it does not know costs a call.
  const idsByName = new Map<string, Promise<string | undefined>>();
  async function imageIdOf(name: string): Promise<string | undefined> {
    const id = toImageId(name);
    if (id !== undefined || name === '') return id;
    const asked = idsByName.get(name) ?? findImageId(name, signal);
    idsByName.set(name, asked);
    return await asked;
  }
  async function toContainer(record: ContainerRecord): Promise<RuntimeContainer> {
    const known = byKubelet.get(record.id);
    if (known !== undefined) return known;
    const [state, imageId] = await Promise.all([
      sandboxState.get(record.id) ?? readTaskState(client, record.id, signal),
      imageIdOf(record.image),
    ]);
    return {
      id: record.id,
      state,
      imageId,
      imageName: toStoredName(record.image),
      createdAt: toEpochMs(record.created_at),
    };
  }

  const listed = new Set(records.containers.map((record) => record.id));
  const rest = [...byKubelet.values()].filter((container) => !listed.has(container.id));
  return [...(await mapBounded(records.containers, parallelCalls, toContainer)), ...rest];
}

/** A container without a task was never started, or somebody cleaned its task up: nothing tells which. */
async function readTaskState(client: GrpcClient, id: string, signal: AbortSignal): Promise<ContainerState> {
  try {
    const { process } = await client.unary(getTask, { container_id: id }, signal, { deadlineMs: taskDeadlineMs });
    return taskStates[process?.status ?? 0] ?? 'unknown';
  } catch (error) {
    signal.throwIfAborted();
    return grpcCodeOf(error) === grpcCode.notFound ? 'created' : 'unknown';
  }
}
