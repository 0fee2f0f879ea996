/**
 * What else takes disk on a Docker host. Nothing is removed in bulk, nothing by force, and nothing that carries the kubelet's labels, or that
 * such a container uses, is ever listed.
 */

import { type dockerLeftoverKinds, leftoverKinds } from '../../core/leftovers.ts';
import type { Leftover, LeftoverKind } from '../runtime.ts';
import { listBuildCache, removeBuildCache } from './build-cache.ts';
import type { DockerClient } from './docker-client.ts';
import type { LeftoverRemoval } from './leftover-calls.ts';
import { listStoppedContainers, removeStoppedContainer } from './stopped-containers.ts';
import { listUnusedNetworks, removeUnusedNetwork } from './unused-networks.ts';
import { listUnusedVolumes, removeUnusedVolume } from './unused-volumes.ts';

type DockerLeftoverKind = (typeof dockerLeftoverKinds)[number];

interface LeftoverCalls {
  list(client: DockerClient, signal: AbortSignal): Promise<readonly Leftover[]>;
  /** After a look that it is still unused. */
  remove(client: DockerClient, leftover: Leftover, signal: AbortSignal): Promise<LeftoverRemoval>;
}

const callsOf: Readonly<Record<DockerLeftoverKind, LeftoverCalls>> = {
  stopped_container: { list: listStoppedContainers, remove: removeStoppedContainer },
  build_cache: { list: listBuildCache, remove: removeBuildCache },
  network: { list: listUnusedNetworks, remove: removeUnusedNetwork },
  volume: { list: listUnusedVolumes, remove: removeUnusedVolume },
};

export async function listDockerLeftovers(
  client: DockerClient,
  kinds: ReadonlySet<LeftoverKind>,
  signal: AbortSignal,
): Promise<readonly Leftover[]> {
  signal.throwIfAborted();
  const found: Leftover[] = [];
  for (const kind of leftoverKinds) {
    if (kinds.has(kind) && isDockers(kind)) found.push(...(await callsOf[kind].list(client, signal)));
  }
  return found;
}

export async function removeDockerLeftover(
  client: DockerClient,
  leftover: Leftover,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  signal.throwIfAborted();
  return isDockers(leftover.kind) ? callsOf[leftover.kind].remove(client, leftover, signal) : 'absent';
}

function isDockers(kind: LeftoverKind): kind is DockerLeftoverKind {
  return Object.hasOwn(callsOf, kind);
}
