/**
 * When each image was last used, as far as the agent watched. Pure: work/ledger-store.ts keeps it on disk.
 *
 * Ages are told on a clock of watched time, which advances only while the agent watches the node: a node that was switched off, an
 * agent that was not running and a clock that jumps make no image older.
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
  /** It came by a pull of ours. */
  readonly prefetched: boolean;
  /** A container was seen to use it. */
  readonly used: boolean;
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

/** Evidence that an image was used (or came) at some moment. */
export interface UsageEvidence {
  readonly imageId: string;
  readonly source: UsageSource;
  /** Epoch ms; undefined: now. */
  readonly at: number | undefined;
}

/** How times that containers tell are placed on the watch clock. Wall time alone would not do: it jumps. */
export interface Watch {
  /** Epoch ms. */
  readonly now: number;
  /** No news is older than this, on the watch clock: the listing before this one, or where this run of the agent began to watch. */
  readonly newsSinceWatchMs: number;
  /** What is older was seen by the run before this one, epoch ms; undefined: all evidence is news. */
  readonly seenUntil: number | undefined;
}

/** Lets the watch clock run on; only time that was really watched is told. */
export function advanceWatch(state: UsageState, watchedMs: number): UsageState {
  return { ...state, watchMs: state.watchMs + Math.max(0, watchedMs) };
}

/**
 * Takes evidence in: for each image the latest use counts. An image that was not known before counts from now, whatever its containers'
 * times say; `first_seen` says nothing of one that was.
 */
export function recordUsage(state: UsageState, evidence: readonly UsageEvidence[], watch: Watch): UsageState {
  if (evidence.length === 0) return state;
  const records = new Map(state.records);
  for (const { imageId, source, at } of evidence) {
    const known = records.get(imageId);
    const isUse = source !== 'pulled' && source !== 'first_seen';
    if (known === undefined || source === 'pulled') {
      records.set(imageId, {
        lastUsedWatchMs: state.watchMs,
        lastUsedAt: watch.now,
        source,
        knownSinceWatchMs: state.watchMs,
        prefetched: source === 'pulled',
        // That it is pulled once more, under another name or to repair it, does not make its next container the first.
        used: isUse || known?.used === true,
      });
      continue;
    }
    if (!isUse) continue;
    const lastUsedWatchMs = toWatchMs(state, at, watch);
    if (lastUsedWatchMs < known.lastUsedWatchMs) {
      if (!known.used) records.set(imageId, { ...known, used: true });
      continue;
    }
    const lastUsedAt = Math.min(watch.now, at ?? watch.now);
    records.set(imageId, { ...known, lastUsedWatchMs, lastUsedAt, source, used: true });
  }
  return { ...state, records };
}

/** What happened while nobody watched happened, on the watch clock, when watching began again. −1: no news, earlier than everything. */
function toWatchMs({ watchMs }: UsageState, at: number | undefined, watch: Watch): number {
  if (at === undefined) return watchMs;
  const { now, newsSinceWatchMs, seenUntil } = watch;
  // A clock that was set back says nothing about what came before what.
  if (seenUntil !== undefined && seenUntil <= now && at < seenUntil) return -1;
  return Math.min(watchMs, Math.max(newsSinceWatchMs, watchMs - (now - at)));
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
