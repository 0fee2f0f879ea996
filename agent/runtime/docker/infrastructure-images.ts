import type { ContainerInfo, ImageInfo } from 'dockerode';

import { parseReference } from '../../core/image-reference.ts';

/** `registry.k8s.io/pause`, `rancher/mirrored-pause`, `gcr.io/google_containers/pause-amd64`: any registry's copy of the sandbox image. */
const sandboxName = /(?:^|\/)(?:mirrored-)?pause(?:-(?:amd64|arm|arm64|ppc64le|riscv64|s390x))?$/;

/** Ids of images that sandboxes run, or would run: by the label that dockershim and cri-dockerd give their containers, and by name. */
export function findSandboxImages(
  images: readonly Pick<ImageInfo, 'Id' | 'RepoTags' | 'RepoDigests'>[],
  containers: readonly Pick<ContainerInfo, 'ImageID' | 'Labels'>[],
): ReadonlySet<string> {
  const named = images.filter(({ RepoTags, RepoDigests }) =>
    [...(RepoTags ?? []), ...(RepoDigests ?? [])].some(isSandboxName),
  );
  const run = containers.filter(({ Labels }) => Labels?.['io.kubernetes.docker.type'] === 'podsandbox');
  return new Set([...named.map(({ Id }) => Id), ...run.map(({ ImageID }) => ImageID)]);
}

function isSandboxName(name: string): boolean {
  try {
    return sandboxName.test(parseReference(name).repository);
  } catch {
    return false;
  }
}
