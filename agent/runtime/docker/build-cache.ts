import type { Leftover } from '../runtime.ts';
import type { DockerClient } from './docker-client.ts';
import { toEpochMs } from './docker-objects.ts';
import type { LeftoverRemoval } from './leftover-calls.ts';

/** Before API 1.42 (Docker 23) the call cannot be narrowed: dockerd then walks images, containers and volumes too, for minutes and more. */
const diskUsageTimeoutMs = 1_800_000;
const removalTimeoutMs = 300_000;

interface CacheRecord {
  readonly ID: string;
  /** Before API 1.42. */
  readonly Parent?: string;
  readonly Parents?: readonly string[] | null;
  /** As Docker 23 to 28 write it. */
  readonly ' Parents'?: readonly string[] | null;
  readonly Description?: string;
  readonly InUse: boolean;
  /** Its bytes are those of a layer of an image. */
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  /** Null when it was made and never used again. */
  readonly LastUsedAt: string | null;
}

/** A record that others are made from goes only after them: they come first. */
export async function listBuildCache(client: DockerClient, signal: AbortSignal): Promise<readonly Leftover[]> {
  // `verbose` from API 1.52 (Docker 29) on, which tells no single records without.
  const query = { type: 'build-cache', verbose: '1' };
  const answer = await client.call({ method: 'GET', path: '/system/df', query }, diskUsageTimeoutMs, signal);
  const usage = answer as {
    readonly BuildCache?: readonly CacheRecord[] | null;
    readonly BuildCacheUsage?: { readonly Items?: readonly CacheRecord[] | null };
  };
  const records = usage.BuildCache ?? usage.BuildCacheUsage?.Items ?? [];
  return childrenFirst(records)
    .filter(({ InUse }) => !InUse)
    .map(({ ID, Description = '', Shared, Size, CreatedAt, LastUsedAt }) => ({
      kind: 'build_cache',
      id: ID,
      name: Description.trim(),
      bytes: Shared ? 0 : Size,
      unusedSince: toEpochMs(LastUsedAt) ?? toEpochMs(CreatedAt),
    }));
}

function childrenFirst(records: readonly CacheRecord[]): readonly CacheRecord[] {
  const byId = new Map(records.map((record) => [record.ID, record]));
  const ordered = new Set<CacheRecord>();
  const addWithParents = (record: CacheRecord): void => {
    if (ordered.has(record)) return;
    for (const parent of toParents(record)) {
      const known = byId.get(parent);
      if (known !== undefined) addWithParents(known);
    }
    ordered.add(record);
  };
  for (const record of records) addWithParents(record);
  return [...ordered].toReversed();
}

function toParents({ Parent, Parents, ' Parents': misspelt }: CacheRecord): readonly string[] {
  return Parents ?? misspelt ?? (Parent === undefined || Parent === '' ? [] : [Parent]);
}

/**
 * BuildKit itself looks right before whether a record is in use, has records made from it, or was used since it was listed, and then leaves it.
 * Whether one that it left is still there cannot be told cheaply: that is `in_use` too.
 */
export async function removeBuildCache(
  client: DockerClient,
  { id, unusedSince }: Leftover,
  signal: AbortSignal,
): Promise<LeftoverRemoval> {
  // dockerd takes the id for a regular expression.
  if (!/^[0-9a-z]+$/.test(id)) return 'absent';
  const idleSeconds = unusedSince === undefined ? 0 : Math.floor((Date.now() - unusedSince) / 1000) - 1;
  const filters = { id: [id], ...(idleSeconds > 0 ? { until: [`${idleSeconds}s`] } : {}) };
  const query = { all: 'true', filters: JSON.stringify(filters) };
  const answer = await client.call({ method: 'POST', path: '/build/prune', query }, removalTimeoutMs, signal);
  const { CachesDeleted } = answer as { readonly CachesDeleted?: readonly string[] | null };
  return CachesDeleted?.includes(id) === true ? 'removed' : 'in_use';
}
