/**
 * When each image was last used, as far as the agent watched. Pure: work/usage-ledger.ts keeps it on disk.
 *
 * Ages are told on the agent's own clock, which advances only while it watches the node: a node that was switched off, an agent that
 * was not running and a clock that jumps make no image older.
 */

export const usageSources = ['in_use', 'container_exit', 'container_start', 'pulled', 'first_seen'] as const;
/** Where a last use is known from. */
export type UsageSource = (typeof usageSources)[number];

export interface UsageRecord {
  /** On the watch clock, ms. */
  readonly lastUsedWatchMs: number;
  /** Wall time of the same moment, epoch ms: for people only. */
  readonly lastUsedAt: number;
  readonly source: UsageSource;
  /** When the image was pulled or first seen, on the watch clock. */
  readonly knownSinceWatchMs: number;
}

export interface UsageState {
  /** How long the agent has watched this node in all, ms. */
  readonly watchMs: number;
  /** By image id. */
  readonly records: ReadonlyMap<string, UsageRecord>;
}

export interface LastUse {
  /** Watched time since then, ms. */
  readonly unusedForMs: number;
  /** Watched time since it was pulled or first seen, ms. */
  readonly knownForMs: number;
  /** Epoch ms. */
  readonly lastUsedAt: number;
  readonly source: UsageSource;
}

export const emptyUsage: UsageState = { watchMs: 0, records: new Map() };

/** Evidence that an image was used (or came) at some moment of wall time. */
export interface UsageEvidence {
  readonly imageId: string;
  readonly source: UsageSource;
  /** Epoch ms; undefined: now. */
  readonly at: number | undefined;
}

/** Lets the watch clock run on; only time that was really watched is told. */
export function advanceWatch(state: UsageState, watchedMs: number): UsageState {
  return { ...state, watchMs: state.watchMs + Math.max(0, watchedMs) };
}

/**
 * Takes evidence in: for each image the latest use counts. Evidence from the past (a container that exited while nobody
 * watched) counts from when it was, but never before the image was known, so that an old container makes no image look older.
 */
export function recordUsage(state: UsageState, evidence: readonly UsageEvidence[], now: number): UsageState {
  if (evidence.length === 0) return state;
  const records = new Map(state.records);
  for (const { imageId, source, at } of evidence) {
    const known = records.get(imageId);
    const agoMs = at === undefined ? 0 : Math.max(0, now - at);
    if (known === undefined || source === 'pulled') {
      records.set(imageId, {
        lastUsedWatchMs: state.watchMs,
        lastUsedAt: now,
        source,
        knownSinceWatchMs: state.watchMs,
      });
      continue;
    }
    const lastUsedWatchMs = Math.max(known.lastUsedWatchMs, state.watchMs - agoMs);
    if (lastUsedWatchMs > known.lastUsedWatchMs || source === 'in_use') {
      records.set(imageId, { ...known, lastUsedWatchMs, lastUsedAt: now - agoMs, source });
    }
  }
  return { ...state, records };
}

/** Forgets images that are gone. */
export function retainUsage(state: UsageState, imageIds: ReadonlySet<string>): UsageState {
  if ([...state.records.keys()].every((id) => imageIds.has(id))) return state;
  return { ...state, records: new Map([...state.records].filter(([id]) => imageIds.has(id))) };
}

/** Undefined where nothing is known of the image: it counts from the moment that it is recorded. */
export function lastUseOf(state: UsageState, imageId: string): LastUse | undefined {
  const record = state.records.get(imageId);
  if (record === undefined) return undefined;
  return {
    unusedForMs: Math.max(0, state.watchMs - record.lastUsedWatchMs),
    knownForMs: Math.max(0, state.watchMs - record.knownSinceWatchMs),
    lastUsedAt: record.lastUsedAt,
    source: record.source,
  };
}
