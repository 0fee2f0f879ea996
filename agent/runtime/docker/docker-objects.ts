/** dockerd's objects as the port's types. */

import type { ContainerInfo, ImageInfo } from 'dockerode';

import { normaliseReference } from '../../core/image-reference.ts';
import type {
  ContainerState,
  RuntimeCapabilities,
  RuntimeContainer,
  RuntimeEvent,
  RuntimeImage,
  RuntimeInfo,
} from '../runtime.ts';

const capabilities: RuntimeCapabilities = {
  events: true,
  progress: true,
  resume: false,
  pin: false,
  alias: true,
  exactSizes: false,
};

export function toRuntimeInfo(answer: unknown): RuntimeInfo {
  const info = answer as {
    readonly ServerVersion: string;
    readonly Driver: string;
    readonly DriverStatus: readonly (readonly [string, string])[] | null;
    readonly DockerRootDir: string | undefined;
  };
  const usesContainerd = (info.DriverStatus ?? []).some(
    ([key, value]) => key === 'driver-type' && value === 'io.containerd.snapshotter.v1',
  );
  return {
    kind: 'docker',
    name: 'docker',
    version: info.ServerVersion,
    imageStore: usesContainerd ? 'containerd' : 'graphdriver',
    snapshotter: info.Driver,
    imageRoot: info.DockerRootDir === '' ? undefined : info.DockerRootDir,
    capabilities,
  };
}

export function toRuntimeImage(image: ImageInfo): RuntimeImage {
  // The containerd image store lists an image that was pulled by digest under that name as its tag too.
  const names = [...new Set([...toNames(image.RepoTags), ...toNames(image.RepoDigests)])];
  return {
    id: image.Id,
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    sizeBytes: image.Size,
    pinned: false,
    whole: true,
  };
}

/** 20.10 writes `<none>:<none>` and `<none>@<none>` for no name, 28 an empty list. */
function toNames(names: readonly string[] | null | undefined): string[] {
  return (names ?? []).filter((name) => !name.includes('<none>')).map((name) => toReference(name) ?? name);
}

export function toRuntimeContainer(container: ContainerInfo): RuntimeContainer {
  const imageId = container.ImageID === '' ? undefined : container.ImageID;
  return {
    id: container.Id,
    state: toContainerState(container.State),
    imageId,
    imageName: isImageId(container.Image, imageId) ? undefined : toReference(container.Image),
    createdAt: container.Created * 1000,
  };
}

/** Without the check an id would pass for a short name on Docker Hub. */
function isImageId(text: string, imageId: string | undefined): boolean {
  return text.startsWith('sha256:') || (/^[0-9a-f]+$/.test(text) && imageId?.startsWith(`sha256:${text}`) === true);
}

function toContainerState(state: string): ContainerState {
  switch (state) {
    case 'created':
      return 'created';
    case 'running':
    case 'paused':
    case 'restarting':
      return 'running';
    case 'exited':
    case 'dead':
    case 'removing':
      return 'exited';
    default:
      return 'unknown';
  }
}

function toReference(text: string): string | undefined {
  try {
    return normaliseReference(text);
  } catch {
    return undefined;
  }
}

const containerActions = { create: 'create', start: 'start', die: 'exit', destroy: 'delete' } as const;
const imageActions = {
  pull: 'add',
  tag: 'add',
  load: 'add',
  import: 'add',
  untag: 'remove',
  delete: 'remove',
} as const;

/** What to ask `/events` for: nothing else is sent then. */
export const eventFilters = {
  type: ['container', 'image'],
  event: [...Object.keys(containerActions), ...Object.keys(imageActions)],
};

/** Undefined for events that say nothing of images or of their use. */
export function toRuntimeEvent(line: unknown): RuntimeEvent | undefined {
  const event = line as {
    readonly Type?: string;
    readonly Action?: string;
    readonly Actor?: { readonly ID?: string; readonly Attributes?: { readonly name?: string } };
  };
  const id = event.Actor?.ID ?? '';
  const action = event.Action ?? '';
  if (event.Type === 'container' && Object.hasOwn(containerActions, action)) {
    return { kind: 'container', action: containerActions[action as keyof typeof containerActions], containerId: id };
  }
  if (event.Type === 'image' && Object.hasOwn(imageActions, action)) {
    // A pull carries the full name as its id, a tag as its attribute; untag and delete tell only the image's id.
    const name = id.startsWith('sha256:') ? (event.Actor?.Attributes?.name ?? id) : id;
    return {
      kind: 'image',
      action: imageActions[action as keyof typeof imageActions],
      name: name.startsWith('sha256:') ? name : (toReference(name) ?? name),
    };
  }
  return undefined;
}
