/** dockerd's objects as the port's types. */

import type { ContainerInfo, ImageInfo } from 'dockerode';

import { parseReference, storedName } from '../../core/image-reference.ts';
import type { ContainerState, RuntimeCapabilities, RuntimeContainer, RuntimeImage, RuntimeInfo } from '../runtime.ts';
import { isGuardName } from './removal-guard.ts';

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
  const all = [...new Set([...toNames(image.RepoTags), ...toNames(image.RepoDigests)])];
  const names = all.filter((name) => !isGuardName(name));
  return {
    id: image.Id,
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    sizeBytes: image.Size,
    pinnedNames: [],
    pinnedByOthers: false,
    whole: true,
  };
}

/**
 * 20.10 writes `<none>:<none>` and `<none>@<none>` for no name, 28 an empty list, and at times, with the containerd image store, a bare digest.
 */
function toNames(names: readonly string[] | null | undefined): string[] {
  return (names ?? [])
    .filter((name) => !name.includes('<none>') && !name.startsWith('sha256:'))
    .map((name) => toStoredName(name) ?? name);
}

/** When a container was started and when it ended last, epoch ms; undefined: never. */
export interface ContainerTimes {
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

export function toRuntimeContainer(container: ContainerInfo, times: ContainerTimes | undefined): RuntimeContainer {
  const imageId = container.ImageID === '' ? undefined : container.ImageID;
  const state = toContainerState(container.State);
  return {
    id: container.Id,
    state,
    imageIds: imageId === undefined ? [] : [imageId],
    imageName: isImageId(container.Image, imageId) ? undefined : toStoredName(container.Image),
    createdAt: container.Created * 1000,
    startedAt: times?.startedAt,
    // While it runs, dockerd still tells when it ended the time before.
    finishedAt: state === 'running' ? undefined : times?.finishedAt,
  };
}

/** Without the check an id would pass for a short name on Docker Hub. */
function isImageId(text: string, imageId: string | undefined): boolean {
  return text.startsWith('sha256:') || (/^[0-9a-f]+$/.test(text) && imageId?.startsWith(`sha256:${text}`) === true);
}

/** dockershim and cri-dockerd label every container so, and name it `k8s_…`. */
export function isKubeletsContainer({ Names, Labels }: Pick<ContainerInfo, 'Names' | 'Labels'>): boolean {
  return carriesKubeletLabels(Labels) || Names.some((name) => name.startsWith('/k8s_'));
}

export function carriesKubeletLabels(labels: Readonly<Record<string, string>> | null | undefined): boolean {
  return Object.keys(labels ?? {}).some((key) => key.startsWith('io.kubernetes.'));
}

/** Epoch ms; undefined for Go's zero time, by which dockerd means never, and for what is no time. */
export function toEpochMs(time: string | null | undefined): number | undefined {
  if (time === null || time === undefined || time.startsWith('0001-01-01')) return undefined;
  const epochMs = Date.parse(time);
  return Number.isNaN(epochMs) ? undefined : epochMs;
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

/** As images are named, without the tag where a digest decides; undefined where it is no reference. */
export function toStoredName(text: string): string | undefined {
  try {
    return storedName(parseReference(text));
  } catch {
    return undefined;
  }
}
