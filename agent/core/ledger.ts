/** The usage ledger as text: one versioned JSON file. Pure; work/ledger-store.ts keeps it on disk. */

import { createHash } from 'node:crypto';
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

const format = 'stevedore-ledger';
/** A newer minor version only adds keys and is read; another major one is foreign. */
const version = '1.0';

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
  return `${JSON.stringify({ format, version, checksum: toChecksum(content), ...content }, null, 1)}\n`;
}

/** A flipped bit in a number is still a number, and could make every image old. */
function toChecksum(content: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(content)).digest('hex')}`;
}

export type ParsedLedger =
  | { readonly ok: true; readonly ledger: Ledger }
  /** `why`: for people. */
  | { readonly ok: false; readonly why: string };

/** Anything that is not wholly understood is refused: half a ledger would make images look old. */
export function parseLedger(text: string): ParsedLedger {
  try {
    return { ok: true, ledger: toLedger(JSON.parse(text)) };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

function toLedger(value: unknown): Ledger {
  const { format: writtenFormat, version: writtenVersion, checksum, ...content } = toFields(value, 'the file');
  if (writtenFormat !== format) throw new Error('it is not a usage ledger of Stevedore');
  const written = String(writtenVersion);
  if (!/^1\.\d+$/.test(written)) throw new Error(`its version ${written.slice(0, 20)} is not 1.x`);
  if (checksum !== toChecksum(content)) throw new Error('its checksum does not fit its content');
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

function toFields(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not a map`);
  return value as Readonly<Record<string, unknown>>;
}

function toNumber(value: unknown, what: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
    throw new Error(`${what} is not a number`);
  return value;
}

function toTime(value: unknown, what: string): number {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw new Error(`${what} is not a time`);
  return at;
}

function toTimestamp(at: number): string {
  return new Date(at).toISOString();
}
