/** Any runtime with a CRI v1 socket: no events, no progress, no resume, no pins, no second names. */

import { Failure, isRuntimeUnavailable } from '../../core/failure.ts';
import { createGrpcClient } from '../grpc/client.ts';
import type { Runtime, RuntimeCapabilities, RuntimeImage, RuntimeInfo } from '../runtime.ts';
import { createContainerTimes } from './container-times.ts';
import {
  pullImage,
  readImageRoot,
  readVersion,
  removeDeadlineMs,
  toImageId,
  toNamedImageIds,
  toRuntimeContainer,
  toRuntimeImage,
} from './cri-calls.ts';
import { cri, criPackage } from './cri-protocol.ts';
import { createImageDetails, isObject, parseJson } from './image-details.ts';
import { isPauseImage, readSandboxImageName } from './sandbox-image.ts';

const capabilities: RuntimeCapabilities = {
  events: false,
  progress: false,
  resume: false,
  pin: false,
  alias: false,
  exactSizes: false,
};

/** @param options.endpoint `unix:///run/crio/crio.sock` */
export function createCriRuntime(options: { readonly endpoint: string }): Runtime {
  const client = createGrpcClient(options.endpoint, criPackage);
  const times = createContainerTimes(client);
  const details = createImageDetails(readConfig);
  const missing = (what: string): Failure => new Failure('runtime', `the CRI alone has no way to ${what}`);

  /** The runtime's own spelling of an image id is the only one that all its calls take. */
  let spellings: ReadonlyMap<string, string> = new Map();

  async function listImages(signal: AbortSignal): Promise<RuntimeImage[]> {
    const { images } = await client.unary(cri.listImages, {}, signal);
    const found = images.map(toRuntimeImage);
    spellings = new Map(images.map(({ id }) => [toImageId(id) ?? id, id]));
    details.keepOnly(new Set(found.map(({ id }) => id)));
    return found;
  }

  /** containerd and CRI-O give the whole config under `imageSpec`. */
  async function readConfig(imageId: string, signal: AbortSignal): Promise<unknown> {
    try {
      const request = { image: { image: spellings.get(imageId) ?? imageId }, verbose: true };
      const answer = parseJson((await client.unary(cri.imageStatus, request, signal)).info['info'] ?? '');
      return isObject(answer) ? answer['imageSpec'] : undefined;
    } catch (error) {
      if (error instanceof Failure && !isRuntimeUnavailable(error)) return undefined;
      throw error;
    }
  }

  return {
    async info(signal): Promise<RuntimeInfo> {
      const [{ name, version }, imageRoot] = await Promise.all([
        readVersion(client, signal),
        readImageRoot(client, signal),
      ]);
      return {
        kind: 'cri',
        name,
        version,
        imageStore: name === 'containerd' ? 'containerd' : 'other',
        snapshotter: 'unknown',
        imageRoot,
        capabilities,
      };
    },

    listImages,

    async listContainers(signal) {
      const { containers } = await client.unary(cri.listContainers, {}, signal);
      const timesById = await times.read(containers, signal);
      const listed = containers.map((container) => toRuntimeContainer(container, timesById.get(container.id)));
      if (listed.every(({ imageIds }) => imageIds.length > 0)) return listed;
      // Older CRI-O names a container's image by digest name instead of id.
      const images = await listImages(signal);
      return listed.map((container, index) => {
        const source = containers[index];
        if (container.imageIds.length > 0 || source === undefined) return container;
        return { ...container, imageIds: toNamedImageIds(source, images) };
      });
    },

    async listLayers(signal) {
      signal.throwIfAborted();
      return await Promise.resolve({ chainIds: new Set<string>(), blobs: new Set<string>() });
    },

    async pull(request, signal) {
      return { imageId: await pullImage(client, request, signal) };
    },

    async discardPartialPulls(_keep, signal) {
      await Promise.resolve(signal.throwIfAborted());
    },

    async removeImage(imageId, signal) {
      // RemoveImage of an absent image succeeds.
      const images = await listImages(signal);
      if (!images.some(({ id }) => id === imageId)) return { kind: 'absent' };
      const image = { image: spellings.get(imageId) ?? imageId };
      try {
        // Carried through whatever happens: a runtime whose client leaves may have taken some of the names.
        const toTheEnd = new AbortController().signal;
        await client.unary(cri.removeImage, { image }, toTheEnd, { deadlineMs: removeDeadlineMs });
      } catch (error) {
        // CRI-O refuses with this text and no code of its own.
        if (error instanceof Failure && /image (is )?(in use|used) by/i.test(error.message)) return { kind: 'in_use' };
        throw error;
      }
      return { kind: 'removed', freed: undefined };
    },

    async undoRemovals(_begun, signal) {
      return await Promise.resolve((signal.throwIfAborted(), []));
    },

    async removeTraces(_kind, signal) {
      return await Promise.resolve((signal.throwIfAborted(), 0));
    },

    async listImageParts(signal) {
      const images = await listImages(signal);
      return new Map(
        images.map(({ id, sizeBytes }) => [id, [{ key: id, store: 'layer', bytes: sizeBytes, inodes: 0 }]]),
      );
    },

    readImageDetails: (imageIds, signal) => details.read(imageIds, signal),

    async findInfrastructureImages(signal) {
      const [images, name] = await Promise.all([listImages(signal), readSandboxImageName(client, signal)]);
      const found = images.filter(
        (image) => isPauseImage(image) || (name !== undefined && [...image.tags, ...image.digests].includes(name)),
      );
      return new Set(found.map(({ id }) => id));
    },

    async listLeftovers(_kinds, signal) {
      return await Promise.resolve((signal.throwIfAborted(), []));
    },

    async removeLeftover(_leftover, signal) {
      return await Promise.resolve((signal.throwIfAborted(), 'absent' as const));
    },

    async setPinned() {
      await Promise.reject(missing('pin an image'));
    },

    async addName() {
      await Promise.reject(missing('give an image a second name'));
    },

    async *watch() {
      yield* await Promise.resolve([]);
      throw missing('watch');
    },

    close: () => client.close(),
  };
}
