import type { ImageInfo } from 'dockerode';

import { Failure } from '../../core/failure.ts';
import { toSocketPath } from '../endpoint.ts';
import type { Runtime, RuntimeEvent } from '../runtime.ts';
import { createContainerList, readContainers } from './container-list.ts';
import { createDockerClient } from './docker-client.ts';
import { readEvents } from './docker-events.ts';
import { toRuntimeImage, toRuntimeInfo } from './docker-objects.ts';
import { createImageFacts } from './image-facts.ts';
import { listTimeoutMs, unaryTimeoutMs } from './image-inspection.ts';
import { addImageName } from './image-names.ts';
import { pullImage } from './image-pull.ts';
import { removeDockerImage } from './image-removal.ts';
import { restoreImage } from './image-restoral.ts';
import { findSandboxImages } from './infrastructure-images.ts';
import { listDockerLeftovers, removeDockerLeftover } from './leftovers.ts';
import { removeGuards } from './traces.ts';

/**
 * The port on dockerd's API, from 20.10 on.
 * @throws DetectionError when the endpoint is no `unix://` endpoint.
 */
export function createDockerRuntime({ endpoint }: { readonly endpoint: string }): Runtime {
  const client = createDockerClient(toSocketPath(endpoint));
  const containers = createContainerList(client);
  const facts = createImageFacts(client);

  const listImages = async (signal: AbortSignal): Promise<readonly ImageInfo[]> => {
    const call = { method: 'GET', path: '/images/json', query: { digests: '1' } } as const;
    return (await client.call(call, listTimeoutMs, signal)) as readonly ImageInfo[];
  };

  async function* noticed(events: AsyncIterable<RuntimeEvent>): AsyncGenerator<RuntimeEvent, void, undefined> {
    for await (const event of events) {
      if (event.kind === 'container') containers.forget(event.containerId);
      yield event;
    }
  }

  return {
    info: async (signal) => toRuntimeInfo(await client.call({ method: 'GET', path: '/info' }, unaryTimeoutMs, signal)),

    listImages: async (signal) => (await listImages(signal)).map(toRuntimeImage),

    listContainers: (signal) => containers.read(signal),

    listLayers: (signal) => facts.readLayers(signal),

    listImageParts: (signal) => facts.readParts(signal),

    readImageDetails: (imageIds, signal) => facts.readDetails(imageIds, signal),

    findInfrastructureImages: async (signal) =>
      findSandboxImages(await listImages(signal), await readContainers(client, signal)),

    pull: (request, signal) => pullImage(client, request, signal),

    discardPartialPulls: async (_keep, signal) => signal.throwIfAborted(),

    removeImage: (imageId, signal, credentialsFor = () => []) =>
      removeDockerImage(client, imageId, credentialsFor, signal),

    async undoRemovals(begun, signal, credentialsFor = () => []) {
      signal.throwIfAborted();
      if (begun === undefined) return [];
      return (await restoreImage(client, begun, credentialsFor, signal)) ? [begun.imageId] : [];
    },

    async removeTraces(kind, signal) {
      signal.throwIfAborted();
      return kind === 'guards' ? await removeGuards(client, await listImages(signal), signal) : 0;
    },

    listLeftovers: (kinds, signal) => listDockerLeftovers(client, kinds, signal),

    removeLeftover: (leftover, signal) => removeDockerLeftover(client, leftover, signal),

    setPinned: async () => {
      throw new Failure('runtime', 'docker has no pins');
    },

    addName: (source, target, signal) => addImageName(client, source, target, signal),

    watch(signal) {
      // Nobody has heard what happened before.
      containers.forget();
      return noticed(readEvents(client, Date.now(), signal));
    },

    close: () => client.close(),
  };
}
