/** Removing the images of a containerd as other clients do: by the CRI, as the kubelet, and by ctr. */

import {
  containerdPackages,
  content,
  images,
  listContainers,
  snapshots,
} from '../../agent/runtime/containerd/containerd-protocol.ts';
import { cri, criPackage } from '../../agent/runtime/cri/cri-protocol.ts';
import { createGrpcClient, type GrpcClient } from '../../agent/runtime/grpc/client.ts';
import { field, grpcMethod, inPackage, mergePackages, message, repeated } from '../../agent/runtime/grpc/descriptor.ts';
import { runTool } from '../harness/process.ts';
import type { PruneVariant } from './prune-variants.ts';

const namespace = 'k8s.io';
const snapshotter = 'overlayfs';
const deadlineMs = 300_000;

/** kubernetes/cri-api, runtime.v1. */
const usagePackage = inPackage('runtime.v1', {
  UsedValue: message({ value: field(1, 'uint64') }),
  UsedFilesystem: message({ used_bytes: field(3, 'UsedValue') }),
  UsedFilesystemsResponse: message({ image_filesystems: repeated(1, 'UsedFilesystem') }),
});
const imageFsUsage = grpcMethod<object, { image_filesystems: readonly { used_bytes: { value: string } | null }[] }>(
  'runtime.v1.ImageService',
  'ImageFsInfo',
  'runtime.v1.UsedFilesystemsResponse',
);

export interface ContainerdRivals {
  readonly variants: readonly PruneVariant[];
  readonly client: GrpcClient;
  close(): void;
}

export function createContainerdRivals(endpoint: string): ContainerdRivals {
  const client = connectContainerd(endpoint);
  const socket = endpoint.replace('unix://', '');
  const variants: PruneVariant[] = [
    { name: 'CRI RemoveImage', prepare: (signal) => prepareCri(client, signal) },
    { name: 'ctr images rm --sync', prepare: (signal) => prepareCtr(client, socket, signal) },
  ];
  return { variants, client, close: () => client.close() };
}

export function connectContainerd(endpoint: string): GrpcClient {
  return createGrpcClient(endpoint, mergePackages([criPackage, containerdPackages, usagePackage]), {
    'containerd-namespace': namespace,
  });
}

/** What the kubelet asks before its image collection: images, containers, the image filesystem. */
export async function lookAsKubelet(client: GrpcClient, signal: AbortSignal) {
  const all = {};
  const [listed, containers, used] = await Promise.all([
    client.unary(cri.listImages, all, signal),
    client.unary(listContainers, { filters: [] }, signal),
    client.unary(imageFsUsage, all, signal),
  ]);
  return { images: listed.images, containers: containers.containers, usedBytes: toUsedBytes(used) };
}

function toUsedBytes({
  image_filesystems,
}: {
  image_filesystems: readonly { used_bytes: { value: string } | null }[];
}) {
  return image_filesystems.reduce((sum, { used_bytes }) => sum + Number(used_bytes?.value ?? 0), 0);
}

/** One look at the start, then one image after the other. */
async function prepareCri(client: GrpcClient, signal: AbortSignal) {
  const before = await lookAsKubelet(client, signal);
  let nominalBytes = 0;
  return {
    run: async () => {
      const { images: listed, containers } = await lookAsKubelet(client, signal);
      const used = new Set(containers.map(({ image }) => image));
      for (const { id, repo_tags, repo_digests, size } of listed) {
        if ([...repo_tags, ...repo_digests, id].some((name) => used.has(name))) continue;
        await client.unary(cri.removeImage, { image: { image: id } }, signal, { deadlineMs });
        nominalBytes += Number(size);
      }
    },
    claims: async () => [
      { what: 'sum of Image.size', bytes: nominalBytes },
      {
        what: 'ImageFsInfo, before less after',
        bytes: before.usedBytes - toUsedBytes(await client.unary(imageFsUsage, {}, signal)),
      },
    ],
    close: async () => undefined,
  };
}

/** All names of an image in one call; only the last one's deletion waits for the collector. */
async function prepareCtr(client: GrpcClient, socket: string, signal: AbortSignal) {
  const before = await sumStored(client, signal);
  return {
    run: async () => {
      const { containers } = await client.unary(listContainers, { filters: [] }, signal);
      const used = new Set(containers.map(({ image }) => image));
      for (const names of await listNames(client, signal)) {
        if (names.some((name) => used.has(name))) continue;
        await runTool('ctr', ['--address', socket, '--namespace', namespace, 'images', 'rm', '--sync', ...names]);
      }
    },
    claims: async () => [
      { what: 'content and snapshots, before less after', bytes: before - (await sumStored(client, signal)) },
    ],
    close: async () => undefined,
  };
}

/** The names of each image: records with one target. */
async function listNames(client: GrpcClient, signal: AbortSignal): Promise<readonly (readonly string[])[]> {
  const groups = new Map<string, string[]>();
  for (const { name, target } of (await client.unary(images.list, { filters: [] }, signal)).images) {
    const group = groups.get(target?.digest ?? '') ?? [];
    groups.set(target?.digest ?? '', [...group, name]);
  }
  return [...groups.values()];
}

/** Bytes of the blobs as long as they are, and of the snapshots as containerd measures them. */
async function sumStored(client: GrpcClient, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const { info } of client.stream(content.listSized, { filters: [] }, signal)) {
    for (const { size } of info) bytes += Number(size);
  }
  for await (const { info } of client.stream(snapshots.list, { snapshotter, filters: [] }, signal)) {
    for (const { name } of info) {
      bytes += Number((await client.unary(snapshots.usage, { snapshotter, key: name }, signal)).size);
    }
  }
  return bytes;
}
