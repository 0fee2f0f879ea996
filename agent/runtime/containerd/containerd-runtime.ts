/** containerd: the CRI, plus containerd's own services on the same socket for what the CRI cannot say. */

import { basename } from 'node:path';
import { pullImage, readImageRoot, readVersion } from '../cri/cri-calls.ts';
import { criPackage } from '../cri/cri-protocol.ts';
import { createImageDetails, parseJson } from '../cri/image-details.ts';
import { createGrpcClient } from '../grpc/client.ts';
import { mergePackages } from '../grpc/descriptor.ts';
import { grpcCode, grpcCodeOf } from '../grpc/status.ts';
import type { PullRequest, PullResult, Runtime, RuntimeCapabilities, RuntimeInfo } from '../runtime.ts';
import { containerdPackages, images } from './containerd-protocol.ts';
import { createContainerList } from './containers.ts';
import { watchEvents } from './events.ts';
import { createImageParts } from './image-parts.ts';
import { readRecord } from './image-record.ts';
import { createImageRemoval } from './image-removal.ts';
import { createSandboxImages } from './infrastructure.ts';
import { createLeftovers } from './leftovers.ts';
import { savePin } from './pins.ts';
import { createPullLeases } from './pull-lease.ts';
import { createPullFollower } from './pull-progress.ts';
import { createImageStore } from './store.ts';
import { readBlob } from './target-resolver.ts';
import { removeContainerdTraces } from './traces.ts';

const capabilities: RuntimeCapabilities = {
  events: true,
  progress: true,
  resume: true,
  pin: true,
  alias: true,
  exactSizes: true,
};

/** The kubelet's containerd namespace. */
const namespace = 'k8s.io';
/** Makes the CRI take an image for its own. */
const managedLabel = 'io.cri-containerd.image';
const snapshotterFolder = 'io.containerd.snapshotter.v1.';
const defaultSnapshotter = 'overlayfs';

/** @param options.endpoint `unix:///run/containerd/containerd.sock` */
export function createContainerdRuntime(options: { readonly endpoint: string }): Runtime {
  const client = createGrpcClient(options.endpoint, mergePackages([criPackage, containerdPackages]), {
    'containerd-namespace': namespace,
  });
  const store = createImageStore(client, readSnapshotter);
  const leases = createPullLeases(client);
  const containers = createContainerList(client, store);
  const sandboxImages = createSandboxImages(client, store);
  const parts = createImageParts(client, store, readSnapshotter);
  const details = createImageDetails(readConfig);
  const removal = createImageRemoval(client, store, readSnapshotter, parts.lastOf);
  const leftovers = createLeftovers(client, readSnapshotter, namespace);
  /** How many pulls of a reference run now: their lease must stay. */
  const pulling = new Map<string, number>();
  let snapshotter: string | undefined;

  async function readSnapshotter(signal: AbortSignal): Promise<string> {
    if (snapshotter !== undefined) return snapshotter;
    const imageRoot = await readImageRoot(client, signal);
    if (imageRoot !== undefined) snapshotter = toSnapshotter(imageRoot);
    return snapshotter ?? defaultSnapshotter;
  }

  async function readConfig(imageId: string, signal: AbortSignal): Promise<unknown> {
    return parseJson((await readBlob(client, imageId, signal))?.toString() ?? '');
  }

  async function pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    const { keepsPartial = true } = request;
    const leaseId = keepsPartial ? await leases.acquire(request.reference, signal) : undefined;
    const follower = createPullFollower(client, { request, leaseId, snapshotter: await readSnapshotter(signal) });
    await follower.begin(signal);
    const ended = new AbortController();
    const followed = follower.run(AbortSignal.any([signal, ended.signal]));
    try {
      const headers = leaseId === undefined ? {} : { 'containerd-lease': leaseId };
      const imageId = await pullImage(client, request, signal, headers);
      if (leaseId !== undefined && pulling.get(request.reference) === 1) await leases.release(leaseId);
      follower.finish();
      return { imageId };
    } finally {
      ended.abort();
      await followed;
    }
  }

  return {
    async info(signal): Promise<RuntimeInfo> {
      const [{ name, version }, imageRoot] = await Promise.all([
        readVersion(client, signal),
        readImageRoot(client, signal),
      ]);
      if (imageRoot !== undefined) snapshotter = toSnapshotter(imageRoot);
      return {
        kind: 'containerd',
        name,
        version,
        imageStore: 'containerd',
        snapshotter: snapshotter ?? defaultSnapshotter,
        imageRoot,
        capabilities,
      };
    },

    async listImages(signal) {
      const found = await store.listImages(signal);
      details.keepOnly(new Set(found.map(({ id }) => id)));
      return found;
    },

    listContainers: (signal) => containers.list(signal),
    listLayers: (signal) => store.listLayers(signal),
    listImageParts: (signal) => parts.list(signal),
    readImageDetails: (imageIds, signal) => details.read(imageIds, signal),
    findInfrastructureImages: (signal) => sandboxImages.find(signal),

    async pull(request, signal) {
      const { reference } = request;
      pulling.set(reference, (pulling.get(reference) ?? 0) + 1);
      try {
        return await pull(request, signal);
      } finally {
        const others = (pulling.get(reference) ?? 1) - 1;
        if (others === 0) pulling.delete(reference);
        else pulling.set(reference, others);
      }
    },

    discardPartialPulls: (keep, signal) =>
      leases.discard((reference) => keep.has(reference) || pulling.has(reference), signal),

    removeImage: (imageId, signal) => removal.remove(imageId, signal),
    undoRemovals: (_begun, signal) => removal.undo(signal),
    removeTraces: async (kind, signal) =>
      await removeContainerdTraces(client, kind, await readSnapshotter(signal), signal),

    listLeftovers: (kinds, signal) => leftovers.list(kinds, signal),
    removeLeftover: (leftover, signal) => leftovers.remove(leftover, signal),

    setPinned: (name, pinned, signal) => savePin(client, name, pinned, signal),

    async addName(source, target, signal) {
      const record = await readRecord(client, source, signal);
      const added = { name: target, labels: { [managedLabel]: 'managed' }, target: record.target };
      try {
        await client.unary(images.create, { image: added }, signal);
      } catch (error) {
        if (grpcCodeOf(error) !== grpcCode.alreadyExists) throw error;
        const update_mask = { paths: ['target', `labels.${managedLabel}`] };
        await client.unary(images.update, { image: added, update_mask }, signal);
      }
    },

    watch: (signal) => watchEvents(client, signal),
    close: () => client.close(),
  };
}

/** The CRI's snapshotter, told by the folder that it gives as image filesystem (containerd 1.6 to 2.4). Pure. */
function toSnapshotter(imageRoot: string): string {
  const folder = basename(imageRoot);
  return folder.startsWith(snapshotterFolder) ? folder.slice(snapshotterFolder.length) : defaultSnapshotter;
}
