/** Any runtime with a CRI v1 socket: no events, no progress, no resume, no pins, no second names. */

import { Failure } from '../../core/failure.ts';
import { createGrpcClient } from '../grpc/client.ts';
import type { Runtime, RuntimeCapabilities, RuntimeInfo } from '../runtime.ts';
import {
  pullImage,
  readImageRoot,
  readVersion,
  removeDeadlineMs,
  toImageId,
  toRuntimeContainer,
  toRuntimeImage,
} from './cri-calls.ts';
import { cri, criPackage } from './cri-protocol.ts';

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
  const missing = (what: string): Failure => new Failure('runtime', `the CRI alone has no way to ${what}`);

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

    async listImages(signal) {
      const { images } = await client.unary(cri.listImages, {}, signal);
      return images.map(toRuntimeImage);
    },

    async listContainers(signal) {
      const { containers } = await client.unary(cri.listContainers, {}, signal);
      return containers.map(toRuntimeContainer);
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
      // RemoveImage of an absent image succeeds, and the runtime's own spelling of the id is the only one that all accept.
      const { images } = await client.unary(cri.listImages, {}, signal);
      const image = images.find((candidate) => (toImageId(candidate.id) ?? candidate.id) === imageId);
      if (image === undefined) return 'absent';
      try {
        await client.unary(cri.removeImage, { image: { image: image.id } }, signal, { deadlineMs: removeDeadlineMs });
      } catch (error) {
        // CRI-O refuses with this text and no code of its own.
        if (error instanceof Failure && /image (is )?(in use|used) by/i.test(error.message)) return 'in_use';
        throw error;
      }
      return 'removed';
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
