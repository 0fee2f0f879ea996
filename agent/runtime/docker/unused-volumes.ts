import type { Leftover } from '../runtime.ts';
import { readContainers } from './container-list.ts';
import type { DockerClient } from './docker-client.ts';
import { listTimeoutMs } from './image-inspection.ts';
import { type LeftoverRemoval, readUnlessAbsent, removeUnlessRefused } from './leftover-calls.ts';

/** Docker 23 and newer give it to what has no name of its own. */
const anonymousLabel = 'com.docker.volume.anonymous';

interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
}

/** Anonymous volumes only. Their sizes would need a walk over all volumes, named ones too. */
export async function listUnusedVolumes(client: DockerClient, signal: AbortSignal): Promise<readonly Leftover[]> {
  const candidates = (await readDangling(client, signal)).filter(isAnonymous);
  if (candidates.length === 0) return [];
  const used = await readUsedVolumes(client, signal);
  return candidates
    .filter(({ Name }) => !used.has(Name))
    .map(({ Name }) => ({ kind: 'volume', id: Name, name: Name, bytes: undefined, unusedSince: undefined }));
}

export async function removeUnusedVolume(
  client: DockerClient,
  { id }: Leftover,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  const volume = (await readUnlessAbsent(client, { method: 'GET', path: `/volumes/${id}` }, signal)) as
    | Volume
    | undefined;
  if (volume === undefined) return 'absent';
  if (!isAnonymous(volume) || (await readUsedVolumes(client, signal)).has(id)) return 'in_use';
  return removeUnlessRefused(client, { method: 'DELETE', path: `/volumes/${id}` }, signal);
}

async function readDangling(client: DockerClient, signal: AbortSignal): Promise<readonly Volume[]> {
  const query = { filters: JSON.stringify({ dangling: ['true'] }) };
  const answer = await client.call({ method: 'GET', path: '/volumes', query }, listTimeoutMs, signal);
  return (answer as { readonly Volumes: readonly Volume[] | null }).Volumes ?? [];
}

/** 64 hex digits are what dockerd makes up where nobody gives a name; somebody who gave such a name most likely gave labels or options too. */
function isAnonymous({ Name, Driver, Labels, Options }: Volume): boolean {
  const labels = Object.keys(Labels ?? {});
  return (
    Driver === 'local' &&
    /^[0-9a-f]{64}$/.test(Name) &&
    Object.keys(Options ?? {}).length === 0 &&
    labels.every((label) => label === anonymousLabel)
  );
}

/** By containers in every state. */
async function readUsedVolumes(client: DockerClient, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const containers = await readContainers(client, signal);
  return new Set(containers.flatMap(({ Mounts }) => (Mounts ?? []).flatMap(({ Name }) => Name ?? [])));
}
