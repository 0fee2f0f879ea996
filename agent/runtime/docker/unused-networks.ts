import type { Leftover } from '../runtime.ts';
import { readContainers } from './container-list.ts';
import type { DockerClient } from './docker-client.ts';
import { carriesKubeletLabels } from './docker-objects.ts';
import { listTimeoutMs } from './image-inspection.ts';
import { type LeftoverRemoval, readUnlessAbsent, removeUnlessRefused } from './leftover-calls.ts';

/** Those that dockerd makes by itself; the last belongs to its swarm mode. */
const predefined: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default', 'docker_gwbridge', 'ingress']);

interface Network {
  readonly Id: string;
  readonly Name: string;
  readonly Scope: string;
  readonly Ingress: boolean;
  /** A template that other networks are made from. */
  readonly ConfigOnly: boolean;
  /** By container id, only running ones; null in lists. */
  readonly Containers: Readonly<Record<string, unknown>> | null;
  readonly Labels: Readonly<Record<string, string>> | null;
}

export async function listUnusedNetworks(client: DockerClient, signal: AbortSignal): Promise<readonly Leftover[]> {
  const query = { filters: JSON.stringify({ dangling: ['true'] }) };
  const answer = await client.call({ method: 'GET', path: '/networks', query }, listTimeoutMs, signal);
  const candidates = (answer as readonly Network[]).filter(isCandidate);
  if (candidates.length === 0) return [];
  const used = await readUsedNetworks(client, signal);
  return candidates
    .filter((network) => !isUsed(network, used))
    .map(({ Id, Name }) => ({ kind: 'network', id: Id, name: Name, bytes: 0, unusedSince: undefined }));
}

export async function removeUnusedNetwork(
  client: DockerClient,
  { id }: Leftover,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  const network = (await readUnlessAbsent(client, { method: 'GET', path: `/networks/${id}` }, signal)) as
    | Network
    | undefined;
  if (network === undefined) return 'absent';
  if (!isCandidate(network) || isUsed(network, await readUsedNetworks(client, signal))) return 'in_use';
  return removeUnlessRefused(client, { method: 'DELETE', path: `/networks/${id}` }, signal);
}

function isCandidate({ Name, Scope, Ingress, ConfigOnly, Containers, Labels }: Network): boolean {
  return (
    Scope === 'local' &&
    !predefined.has(Name) &&
    !Ingress &&
    !ConfigOnly &&
    Object.keys(Containers ?? {}).length === 0 &&
    !carriesKubeletLabels(Labels)
  );
}

function isUsed({ Id, Name }: Network, used: ReadonlySet<string>): boolean {
  return used.has(Id) || used.has(Name);
}

/** Ids and names. dockerd takes a network for unused when only stopped containers are on it, and those could not start any more. */
async function readUsedNetworks(client: DockerClient, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const containers = await readContainers(client, signal);
  return new Set(
    containers.flatMap(({ HostConfig, NetworkSettings }) => {
      const attached = Object.entries(NetworkSettings?.Networks ?? {});
      return [HostConfig.NetworkMode, ...attached.flatMap(([name, { NetworkID }]) => [name, NetworkID])];
    }),
  );
}
