/** All containers of the node: containerd's own list, which also has those made by `ctr` and the sandboxes' pause containers. */

import { createContainerTimes } from '../cri/container-times.ts';
import { type ContainerTimes, toRuntimeContainer, toStoredName } from '../cri/cri-calls.ts';
import { cri } from '../cri/cri-protocol.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { toEpochMs } from '../grpc/descriptor.ts';
import type { ContainerState, RuntimeContainer } from '../runtime.ts';
import { createContainerImages } from './container-images.ts';
import { type ContainerRecord, listContainers, listTasks, type Task } from './containerd-protocol.ts';
import type { ImageStore } from './store.ts';

const sandboxReady = 0;
/** containerd asks each shim in turn: one that hangs must not hold up the list. */
const tasksDeadlineMs = 5_000;
/** containerd's task status: 1 created, 2 running, 3 stopped, 4 paused, 5 pausing. */
const taskStates: readonly ContainerState[] = ['unknown', 'created', 'running', 'exited', 'running', 'running'];

/** By container id; undefined where containerd could not tell. */
type Tasks = ReadonlyMap<string, Task> | undefined;

export interface ContainerList {
  list(signal: AbortSignal): Promise<RuntimeContainer[]>;
}

export function createContainerList(client: GrpcClient, store: Pick<ImageStore, 'listIdentities'>): ContainerList {
  const times = createContainerTimes(client);
  const images = createContainerImages(client);

  return {
    async list(signal) {
      const [{ containers: records }, { containers: ours }, { items: sandboxes }] = await Promise.all([
        client.unary(listContainers, { filters: [] }, signal),
        client.unary(cri.listContainers, {}, signal),
        client.unary(cri.listPodSandbox, {}, signal),
      ]);
      const sandboxStates = new Map(
        sandboxes.map(({ id, state }) => [id, state === sandboxReady ? ('running' as const) : ('exited' as const)]),
      );

      // The CRI knows its containers' state and image already; only what it does not know costs more calls.
      const kubeletIds = new Set(ours.map(({ id }) => id));
      const others = records.filter(({ id }) => !kubeletIds.has(id));
      const [timesById, imageIds, tasks] = await Promise.all([
        times.read(ours, signal),
        others.length === 0 ? noImages : store.listIdentities(signal).then((all) => images.find(others, all, signal)),
        others.every(({ id }) => sandboxStates.has(id)) ? undefined : readTasks(client, signal),
      ]);
      return [
        ...ours.map((container) => toRuntimeContainer(container, timesById.get(container.id))),
        ...others.map((record) => {
          const state = sandboxStates.get(record.id);
          const known = state === undefined ? toTaskState(record.id, tasks) : { state, ...unknownTimes };
          return toContainer(record, imageIds.get(record.id) ?? [], known);
        }),
      ];
    },
  };
}

const noImages: ReadonlyMap<string, readonly string[]> = new Map();
const unknownTimes: ContainerTimes = { startedAt: undefined, finishedAt: undefined };

function toContainer(
  record: ContainerRecord,
  imageIds: readonly string[],
  known: ContainerTimes & { readonly state: ContainerState },
): RuntimeContainer {
  const { id, image } = record;
  return { id, imageIds, imageName: toStoredName(image), createdAt: toEpochMs(record.created_at), ...known };
}

/** A container without a task was never started, or somebody cleaned its task up: nothing tells which. */
function toTaskState(id: string, tasks: Tasks): ContainerTimes & { readonly state: ContainerState } {
  if (tasks === undefined) return { state: 'unknown', ...unknownTimes };
  const task = tasks.get(id);
  const state = task === undefined ? 'created' : (taskStates[task.status] ?? 'unknown');
  return { state, startedAt: undefined, finishedAt: state === 'exited' ? toEpochMs(task?.exited_at) : undefined };
}

/** One call for all: it costs a shim's answer each, but a call of ours each would cost the client more. */
async function readTasks(client: GrpcClient, signal: AbortSignal): Promise<Tasks> {
  try {
    const { tasks } = await client.unary(listTasks, {}, signal, { deadlineMs: tasksDeadlineMs });
    return new Map(tasks.map((task) => [task.id, task]));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
