/** Removing the images of a dockerd as its own commands do it, by the calls that they make. */

import { createDockerClient, type DockerClient, refusalStatus } from '../../agent/runtime/docker/docker-client.ts';
import type { PruneVariant } from './prune-variants.ts';

const timeoutMs = 300_000;

interface DockerImage {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly Size: number;
}

export function createDockerRivals(endpoint: string): { variants: readonly PruneVariant[]; close(): void } {
  const client = createDockerClient(endpoint.replace('unix://', ''));
  const variants: PruneVariant[] = [
    { name: 'docker image prune -a -f', prepare: async (signal) => preparePrune(client, signal) },
    { name: 'docker rmi', prepare: (signal) => prepareRemove(client, signal) },
  ];
  return { variants, close: () => client.close() };
}

function preparePrune(client: DockerClient, signal: AbortSignal) {
  let reclaimed = 0;
  return {
    run: async () => {
      const query = { filters: JSON.stringify({ dangling: ['false'] }) };
      const answer = await client.call({ method: 'POST', path: '/images/prune', query }, timeoutMs, signal);
      reclaimed = (answer as { SpaceReclaimed: number }).SpaceReclaimed;
    },
    claims: async () => [{ what: 'SpaceReclaimed', bytes: reclaimed }],
    close: async () => undefined,
  };
}

/** Without `force`: dockerd refuses what a container uses. */
async function prepareRemove(client: DockerClient, signal: AbortSignal) {
  const layersBytes = await readLayersBytes(client, signal);
  let nominalBytes = 0;
  return {
    run: async () => {
      const list = { method: 'GET', path: '/images/json' } as const;
      for (const { Id, RepoTags, Size } of (await client.call(list, timeoutMs, signal)) as readonly DockerImage[]) {
        const isRemoved = await remove(client, RepoTags?.[0] ?? Id, signal);
        if (isRemoved) nominalBytes += Size;
      }
    },
    claims: async () => [
      { what: 'sum of Size', bytes: nominalBytes },
      { what: 'LayersSize, before less after', bytes: layersBytes - (await readLayersBytes(client, signal)) },
    ],
    close: async () => undefined,
  };
}

async function remove(client: DockerClient, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.call({ method: 'DELETE', path: `/images/${name}` }, timeoutMs, signal);
    return true;
  } catch (error) {
    if (refusalStatus(error) === 409) return false;
    throw error;
  }
}

async function readLayersBytes(client: DockerClient, signal: AbortSignal): Promise<number> {
  const answer = await client.call({ method: 'GET', path: '/system/df' }, timeoutMs, signal);
  return (answer as { LayersSize: number }).LayersSize;
}
