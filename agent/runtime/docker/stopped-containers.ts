import type { ContainerInfo } from 'dockerode';

import { mapBounded } from '../bounded.ts';
import type { Leftover } from '../runtime.ts';
import { readContainers } from './container-list.ts';
import type { DockerClient } from './docker-client.ts';
import { isKubeletsContainer, toEpochMs } from './docker-objects.ts';
import { inspectionsAtOnce } from './image-inspection.ts';
import { type LeftoverRemoval, readUnlessAbsent, removeUnlessRefused } from './leftover-calls.ts';

const stoppedStates: ReadonlySet<string> = new Set(['created', 'exited', 'dead']);

interface InspectedContainer {
  readonly Name: string;
  readonly Created: string;
  readonly State: { readonly Status: string; readonly FinishedAt?: string };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
  readonly SizeRw?: number;
}

export async function listStoppedContainers(client: DockerClient, signal: AbortSignal): Promise<readonly Leftover[]> {
  const stopped = (await readContainers(client, signal)).filter(isCandidate);
  const found = await mapBounded(stopped, inspectionsAtOnce, async ({ Id }): Promise<Leftover | undefined> => {
    const container = await inspect(client, Id, signal, { size: '1' });
    if (container === undefined || !isUnused(container)) return undefined;
    const name = container.Name.replace(/^\//, '');
    return { kind: 'stopped_container', id: Id, name, bytes: container.SizeRw, unusedSince: toUnusedSince(container) };
  });
  return found.filter((one) => one !== undefined);
}

function isCandidate(container: ContainerInfo): boolean {
  return stoppedStates.has(container.State) && !isKubeletsContainer(container);
}

function isUnused({ Name, Config, State }: InspectedContainer): boolean {
  return stoppedStates.has(State.Status) && !isKubeletsContainer({ Names: [Name], Labels: Config.Labels ?? {} });
}

/** Its end, or its making when it was never started. */
function toUnusedSince({ State, Created }: InspectedContainer): number | undefined {
  return toEpochMs(State.FinishedAt) ?? toEpochMs(Created);
}

/** Its anonymous volumes stay: they are a kind of their own. */
export async function removeStoppedContainer(
  client: DockerClient,
  { id, unusedSince }: Leftover,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  const container = await inspect(client, id, signal);
  if (container === undefined) return 'absent';
  const hasRunMeanwhile = unusedSince !== undefined && (toUnusedSince(container) ?? 0) > unusedSince;
  if (!isUnused(container) || hasRunMeanwhile) return 'in_use';
  return removeUnlessRefused(client, { method: 'DELETE', path: `/containers/${id}` }, signal);
}

async function inspect(
  client: DockerClient,
  id: string,
  signal: AbortSignal,
  query: Readonly<Record<string, string>> = {},
): Promise<InspectedContainer | undefined> {
  return (await readUnlessAbsent(client, { method: 'GET', path: `/containers/${id}/json`, query }, signal)) as
    | InspectedContainer
    | undefined;
}
