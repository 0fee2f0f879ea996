/** The usage ledger as text: one versioned JSON file. Pure; work/ledger-store.ts keeps it on disk. */

import {
  type CheckedFormat,
  type Fields,
  parseCheckedText,
  toCheckedText,
  toFields,
  toNumber,
  toTime,
  toTimestamp,
} from './checked-text.ts';
import type { LeftoverKind } from './leftovers.ts';
import { type UsageRecord, type UsageSource, type UsageState, usageSources } from './usage.ts';

/** A removal that was begun and not yet seen to end. */
export interface LedgerRemoval {
  readonly imageId: string;
  readonly names: readonly string[];
}

export interface Ledger {
  readonly usage: UsageState;
  /** When everything was last listed, epoch ms: what happened before is in here. undefined: never. */
  readonly seenUntil: number | undefined;
  /** Since when last use is observed, epoch ms. */
  readonly trackedSince: number;
  /** When pruning by age last ran by itself, epoch ms; undefined: not yet. */
  readonly ageRunAt: number | undefined;
  readonly removal: LedgerRemoval | undefined;
  /** Since when leftovers that tell no time themselves were seen unused, on the watch clock, ms; by `kind/id`. */
  readonly leftovers: ReadonlyMap<string, number>;
}

const ledgerFormat: CheckedFormat = {
  format: 'stevedore-ledger',
  version: '1.0',
  what: 'a usage ledger of Stevedore',
};

export function leftoverKey(kind: LeftoverKind, id: string): string {
  return `${kind}/${id}`;
}

export function toLedgerText({ usage, seenUntil, trackedSince, ageRunAt, removal, leftovers }: Ledger): string {
  const content = {
    ...(seenUntil === undefined ? {} : { seenUntil: toTimestamp(seenUntil) }),
    trackedSince: toTimestamp(trackedSince),
    watchMs: Math.round(usage.watchMs),
    ...(ageRunAt === undefined ? {} : { ageRunAt: toTimestamp(ageRunAt) }),
    ...(removal === undefined ? {} : { removal }),
    leftovers: Object.fromEntries([...leftovers].map(([key, since]) => [key, Math.round(since)])),
    images: Object.fromEntries(
      [...usage.records].map(([id, record]) => [
        id,
        {
          ...record,
          lastUsedWatchMs: Math.round(record.lastUsedWatchMs),
          lastUsedAt: toTimestamp(record.lastUsedAt),
          knownSinceWatchMs: Math.round(record.knownSinceWatchMs),
        },
      ]),
    ),
  };
  return toCheckedText(ledgerFormat, content);
}

export type ParsedLedger =
  | { readonly ok: true; readonly ledger: Ledger }
  /** `why`: for people. */
  | { readonly ok: false; readonly why: string };

/** Anything that is not wholly understood is refused: half a ledger would make images look old. */
export function parseLedger(text: string): ParsedLedger {
  try {
    return { ok: true, ledger: toLedger(parseCheckedText(ledgerFormat, text)) };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

function toLedger(content: Fields): Ledger {
  const watchMs = toNumber(content['watchMs'], 'watchMs');
  const images = Object.entries(toFields(content['images'], 'images'));
  const leftovers = Object.entries(toFields(content['leftovers'] ?? {}, 'leftovers'));
  const { seenUntil, ageRunAt, removal } = content;
  return {
    usage: { watchMs, records: new Map(images.map(([id, record]) => [id, toRecord(id, record, watchMs)])) },
    seenUntil: seenUntil === undefined ? undefined : toTime(seenUntil, 'seenUntil'),
    trackedSince: toTime(content['trackedSince'], 'trackedSince'),
    ageRunAt: ageRunAt === undefined ? undefined : toTime(ageRunAt, 'ageRunAt'),
    removal: removal === undefined ? undefined : toRemoval(removal),
    leftovers: new Map(leftovers.map(([key, since]) => [key, Math.min(watchMs, toNumber(since, `leftovers.${key}`))])),
  };
}

function toRecord(id: string, value: unknown, watchMs: number): UsageRecord {
  const fields = toFields(value, `images.${id}`);
  const source = usageSources.find((known) => known === fields['source']);
  const lastUsedWatchMs = toNumber(fields['lastUsedWatchMs'], `images.${id}.lastUsedWatchMs`);
  const knownSinceWatchMs = toNumber(fields['knownSinceWatchMs'], `images.${id}.knownSinceWatchMs`);
  return {
    // What lies ahead of the clock would never grow old, and nothing is used before it is known.
    lastUsedWatchMs: Math.min(Math.max(lastUsedWatchMs, knownSinceWatchMs), watchMs),
    lastUsedAt: toTime(fields['lastUsedAt'], `images.${id}.lastUsedAt`),
    // A newer minor version may know more sources.
    source: source ?? ('first_seen' satisfies UsageSource),
    knownSinceWatchMs: Math.min(knownSinceWatchMs, watchMs),
    prefetched: fields['prefetched'] === true,
    used: fields['used'] === true,
  };
}

function toRemoval(value: unknown): LedgerRemoval {
  const { imageId, names } = toFields(value, 'removal');
  if (typeof imageId !== 'string' || !Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw new Error('removal is not an image id with names');
  }
  return { imageId, names };
}
