import type { ContainerInfo } from 'dockerode';

import type { RuntimeContainer } from '../runtime.ts';
import { mapBounded } from '../bounded.ts';
import { type DockerClient, refusalStatus } from './docker-client.ts';
import { type ContainerTimes, toEpochMs, toRuntimeContainer } from './docker-objects.ts';
import { inspectionsAtOnce, listTimeoutMs, unaryTimeoutMs } from './image-inspection.ts';

/** All of them, in every state, as dockerd says them. */
export async function readContainers(client: DockerClient, signal: AbortSignal): Promise<readonly ContainerInfo[]> {
  const call = { method: 'GET', path: '/containers/json', query: { all: '1' } } as const;
  return (await client.call(call, listTimeoutMs, signal)) as readonly ContainerInfo[];
}

export interface ContainerList {
  read(signal: AbortSignal): Promise<readonly RuntimeContainer[]>;
  /** What was asked of this container before, or of all, may no longer be so. */
  forget(containerId?: string): void;
}

/**
 * dockerd's list does not tell when a container was started and when it ended; its inspection does, asked once for each container and
 * state. A container that left its state and came back between two lists would go unnoticed: the events tell of it, and whoever reads them
 * calls `forget`.
 */
export function createContainerList(client: DockerClient): ContainerList {
  const known = new Map<string, { readonly state: string; readonly times: ContainerTimes }>();
  let forgotten = 0;

  const ask = async ({ Id, State }: ContainerInfo, signal: AbortSignal): Promise<ContainerTimes | undefined> => {
    const before = forgotten;
    const times = await readTimes(client, Id, signal);
    if (times !== undefined && forgotten === before) known.set(Id, { state: State, times });
    return times;
  };

  return {
    async read(signal) {
      const containers = await readContainers(client, signal);
      const ids = new Set(containers.map(({ Id }) => Id));
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      return mapBounded(containers, inspectionsAtOnce, async (container) => {
        const entry = known.get(container.Id);
        const times = entry?.state === container.State ? entry.times : await ask(container, signal);
        return toRuntimeContainer(container, times);
      });
    },
    forget(containerId) {
      forgotten += 1;
      if (containerId === undefined) known.clear();
      else known.delete(containerId);
    },
  };
}

/** Undefined when the container is gone. */
async function readTimes(client: DockerClient, id: string, signal: AbortSignal): Promise<ContainerTimes | undefined> {
  try {
    const answer = await client.call({ method: 'GET', path: `/containers/${id}/json` }, unaryTimeoutMs, signal);
    const { State } = answer as { readonly State: { readonly StartedAt?: string; readonly FinishedAt?: string } };
    return { startedAt: toEpochMs(State.StartedAt), finishedAt: toEpochMs(State.FinishedAt) };
  } catch (error) {
    if (refusalStatus(error) === undefined) throw error;
    return undefined;
  }
}
