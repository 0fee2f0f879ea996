import { stat } from 'node:fs/promises';

import { toSocketPath } from './endpoint.ts';
import type { Runtime, RuntimeKind } from './runtime.ts';

/**
 * The adapter for a runtime. Loads only the client library that it needs, and does not talk yet.
 * @throws DetectionError when the endpoint is no `unix://` endpoint.
 */
export async function connectRuntime(target: {
  readonly kind: RuntimeKind;
  readonly endpoint: string;
}): Promise<Runtime> {
  const { kind, endpoint } = target;
  switch (kind) {
    case 'docker': {
      const { createDockerRuntime } = await import('./docker/docker-runtime.ts');
      return createDockerRuntime({ endpoint });
    }
    case 'containerd': {
      const { createContainerdRuntime } = await import('./containerd/containerd-runtime.ts');
      return createContainerdRuntime({ endpoint });
    }
    case 'cri': {
      const { createCriRuntime } = await import('./cri/cri-runtime.ts');
      return createCriRuntime({ endpoint });
    }
  }
}

export type RuntimeOperation =
  | 'info'
  | 'list_images'
  | 'list_containers'
  | 'list_layers'
  | 'pull_image'
  | 'disk_usage'
  | 'image_details'
  | 'infrastructure_images'
  | 'remove_image'
  | 'undo_removals'
  | 'list_leftovers'
  | 'remove_leftover'
  | 'pin_image';

/** The same runtime; every call is told to `onOperation` with its duration. An aborted call is told as not failed. */
export function instrumentRuntime(
  runtime: Runtime,
  onOperation: (operation: RuntimeOperation, seconds: number, failed: boolean) => void,
): Runtime {
  const timed = async <T>(operation: RuntimeOperation, signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const tell = (failed: boolean): void => onOperation(operation, (performance.now() - startedAt) / 1000, failed);
    try {
      const result = await run();
      tell(false);
      return result;
    } catch (error) {
      tell(!signal.aborted);
      throw error;
    }
  };

  return {
    info: (signal) => timed('info', signal, () => runtime.info(signal)),
    listImages: (signal) => timed('list_images', signal, () => runtime.listImages(signal)),
    listContainers: (signal) => timed('list_containers', signal, () => runtime.listContainers(signal)),
    listLayers: (signal) => timed('list_layers', signal, () => runtime.listLayers(signal)),
    pull: (request, signal) => timed('pull_image', signal, () => runtime.pull(request, signal)),
    discardPartialPulls: (keep, signal) => runtime.discardPartialPulls(keep, signal),
    listImageParts: (signal) => timed('disk_usage', signal, () => runtime.listImageParts(signal)),
    readImageDetails: (ids, signal) => timed('image_details', signal, () => runtime.readImageDetails(ids, signal)),
    findInfrastructureImages: (signal) =>
      timed('infrastructure_images', signal, () => runtime.findInfrastructureImages(signal)),
    undoRemovals: (begun, signal, credentialsFor) =>
      timed('undo_removals', signal, () => runtime.undoRemovals(begun, signal, credentialsFor)),
    removeTraces: (kind, signal) => runtime.removeTraces(kind, signal),
    listLeftovers: (kinds, signal) => timed('list_leftovers', signal, () => runtime.listLeftovers(kinds, signal)),
    removeLeftover: (one, signal) => timed('remove_leftover', signal, () => runtime.removeLeftover(one, signal)),
    removeImage: (id, signal, credentialsFor) =>
      timed('remove_image', signal, () => runtime.removeImage(id, signal, credentialsFor)),
    setPinned: (name, pinned, signal) => timed('pin_image', signal, () => runtime.setPinned(name, pinned, signal)),
    addName: (source, target, signal) => runtime.addName(source, target, signal),
    watch: (signal) => runtime.watch(signal),
    close: () => runtime.close(),
  };
}

/**
 * Whether the endpoint's socket file has no links left. A socket that is mounted as a single file stays the old file when the
 * runtime makes a new one, and never answers again; only a new container binds the new one. False when the file is not there: it may
 * still come.
 */
export async function socketIsDead(endpoint: string): Promise<boolean> {
  try {
    return (await stat(toSocketPath(endpoint))).nlink === 0;
  } catch {
    return false;
  }
}
