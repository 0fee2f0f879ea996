import type { ContainerInfo, ImageInfo } from 'dockerode';

import { Failure } from '../../core/failure.ts';
import { toChainIds } from '../../core/layers.ts';
import { toSocketPath } from '../endpoint.ts';
import type { PresentLayers, Runtime, RuntimeEvent } from '../runtime.ts';
import { createDockerClient, type DockerCall, type DockerClient } from './docker-client.ts';
import { eventFilters, toRuntimeContainer, toRuntimeEvent, toRuntimeImage, toRuntimeInfo } from './docker-objects.ts';
import { inspectImage, unaryTimeoutMs } from './image-inspection.ts';
import { pullImage } from './image-pull.ts';
import { addImageName, removeDockerImage } from './image-removal.ts';
import { readJsonLines } from './json-lines.ts';

/** Lists of a node with thousands of images and containers on a busy disk take long. */
const listTimeoutMs = 60_000;
const inspectionsAtOnce = 8;

/**
 * The port on dockerd's API, from 20.10 on.
 * @throws DetectionError when the endpoint is no `unix://` endpoint.
 */
export function createDockerRuntime({ endpoint }: { readonly endpoint: string }): Runtime {
  const client = createDockerClient(toSocketPath(endpoint));
  const layers = createLayerCache(client);

  const list = async <T>(path: string, query: Record<string, string>, signal: AbortSignal): Promise<readonly T[]> =>
    (await client.call({ method: 'GET', path, query }, listTimeoutMs, signal)) as readonly T[];

  return {
    info: async (signal) => toRuntimeInfo(await client.call({ method: 'GET', path: '/info' }, unaryTimeoutMs, signal)),

    listImages: async (signal) => (await list<ImageInfo>('/images/json', { digests: '1' }, signal)).map(toRuntimeImage),

    listContainers: async (signal) =>
      (await list<ContainerInfo>('/containers/json', { all: '1' }, signal)).map(toRuntimeContainer),

    listLayers: async (signal) => layers.read(await list<ImageInfo>('/images/json', {}, signal), signal),

    pull: (request, signal) => pullImage(client, request, signal),

    discardPartialPulls: async (_keep, signal) => signal.throwIfAborted(),

    removeImage: (imageId, signal) => removeDockerImage(client, imageId, signal),

    setPinned: async () => {
      throw new Failure('runtime', 'docker has no pins');
    },

    addName: (source, target, signal) => addImageName(client, source, target, signal),

    watch: (signal) => readEvents(client, Date.now(), signal),

    close: () => client.close(),
  };
}

/** `sinceMs`: dockerd replays what happened since then (of its last 256 events), so that none is lost while the stream opens. */
async function* readEvents(
  client: DockerClient,
  sinceMs: number,
  signal: AbortSignal,
): AsyncGenerator<RuntimeEvent, void, undefined> {
  if (signal.aborted) return;
  const query = { since: (sinceMs / 1000).toFixed(3), filters: JSON.stringify(eventFilters) };
  const call: DockerCall = { method: 'GET', path: '/events', query };
  try {
    for await (const line of readJsonLines(await client.open(call, signal))) {
      const event = toRuntimeEvent(line);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Failure) throw error;
    throw new Failure('runtime', 'docker broke off its events', { detail: 'unavailable', cause: error });
  }
  if (!signal.aborted) throw new Failure('runtime', 'docker ended its events', { detail: 'unavailable' });
}

interface LayerCache {
  read(images: readonly ImageInfo[], signal: AbortSignal): Promise<PresentLayers>;
}

/** Only an image's own inspection tells its layers; an id's layers never change, so each id is asked once. */
function createLayerCache(client: DockerClient): LayerCache {
  const chains = new Map<string, readonly string[]>();
  return {
    async read(images, signal) {
      const ids = new Set(images.map(({ Id }) => Id));
      for (const id of chains.keys()) {
        if (!ids.has(id)) chains.delete(id);
      }
      const unknown = [...ids].filter((id) => !chains.has(id)).values();
      const work = async (): Promise<void> => {
        for (const id of unknown) {
          const image = await inspectImage(client, id, signal);
          if (image !== undefined) chains.set(id, toChainIds(image.diffIds));
        }
      };
      await Promise.all(Array.from({ length: inspectionsAtOnce }, work));
      return { chainIds: new Set([...chains.values()].flat()), blobs: new Set() };
    },
  };
}
