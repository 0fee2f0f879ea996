/**
 * Resolutions as the texts of the ConfigMaps `stevedore-resolved-0…7`, and back. A record's ConfigMap follows from its name, so that one change touches
 * one text; the same records give the same texts. Pure.
 */

import { createHash } from 'node:crypto';
import { type Fields, toFields, toList } from './checked-text.ts';
import { resolvedConfigMaps } from './resolved-config-maps.ts';
import { noResolutions, type ResolvedImage, type ResolvedPattern, type Resolutions } from './resolution.ts';
import { Faults, parseImage, parsePattern } from './resolved-record.ts';

/** In each ConfigMap's data. */
export const resolvedKey = 'resolved.json';
/** A ConfigMap holds 1 MiB, with its name and the rest. */
const maxTextBytes = 900 * 1024;
/** More than fit into such a text. */
const maxRecords = 20_000;
/** A newer minor version only adds keys and is read; another major one is not. */
const version = '1.0';

export interface ResolvedTexts {
  /** One for each of `resolvedConfigMaps`, in order. */
  readonly texts: readonly string[];
  /** What found no room: lists of excluded images go first, then whole records. */
  readonly omitted: { readonly excluded: number; readonly records: number };
}

export interface ParsedResolved extends Resolutions {
  /** Records that could not be read. */
  readonly dropped: number;
}

/** Which text the record of a reference or pattern key is in, by its index in `resolvedConfigMaps`. */
export function shardOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % resolvedConfigMaps.length;
}

export function toResolvedTexts({ images, patterns }: Resolutions, maxBytes: number = maxTextBytes): ResolvedTexts {
  const shards = resolvedConfigMaps.map(() => ({
    images: [] as ResolvedImage[],
    patterns: [] as ResolvedPattern[],
  }));
  for (const name of [...images.keys()].toSorted()) shards[shardOf(name)]?.images.push(...known(images.get(name)));
  for (const name of [...patterns.keys()].toSorted())
    shards[shardOf(name)]?.patterns.push(...known(patterns.get(name)));
  const texts: string[] = [];
  const omitted = { excluded: 0, records: 0 };
  for (const shard of shards) {
    let records: readonly string[] = [...shard.patterns, ...shard.images].map((record) => JSON.stringify(record));
    if (toBytes(records) > maxBytes) {
      omitted.excluded += shard.patterns.filter(({ excluded }) => excluded.length > 0).length;
      const bare = shard.patterns.map((pattern) => ({ ...pattern, excluded: [] }));
      records = [...bare, ...shard.images].map((record) => JSON.stringify(record));
    }
    const fitting = takeFitting(records, maxBytes);
    omitted.records += records.length - fitting.length;
    texts.push(toText(fitting));
  }
  return { texts, omitted };
}

/**
 * Reads one ConfigMap's text. Never throws: what cannot be read is left out, and so is the rest of a text of which too much cannot be. Any text of a
 * ConfigMap's size takes well below a second.
 */
export function parseResolvedText(text: string | undefined): ParsedResolved {
  // As the manifests make it: nobody has resolved anything yet.
  if (text === undefined || text === '') return { ...noResolutions, dropped: 0 };
  const records = toRecords(text);
  if (records === undefined) return { ...noResolutions, dropped: 1 };
  const images = new Map<string, ResolvedImage>();
  const patterns = new Map<string, ResolvedPattern>();
  const faults = new Faults();
  let [looked, dropped] = [0, 0];
  for (const entry of records.slice(0, maxRecords)) {
    if (faults.areTooMany) break;
    // What is neither is told without an Error: a newer coordinator may write other records too.
    const fields = toRecord(entry);
    const image = typeof fields['reference'] === 'string' ? parseImage(fields, faults) : undefined;
    const pattern = typeof fields['key'] === 'string' ? parsePattern(fields, faults) : undefined;
    if (image !== undefined) images.set(image.reference, image);
    else if (pattern !== undefined) patterns.set(pattern.key, pattern);
    else dropped += 1;
    looked += 1;
  }
  return { images, patterns, dropped: dropped + records.length - looked };
}

/** The texts of all ConfigMaps put together; of a record that is in several the last counts. */
export function joinResolved(parts: readonly ParsedResolved[]): ParsedResolved {
  return {
    images: new Map(parts.flatMap(({ images }) => [...images])),
    patterns: new Map(parts.flatMap(({ patterns }) => [...patterns])),
    dropped: parts.reduce((sum, part) => sum + part.dropped, 0),
  };
}

/** One line for each record, so that people and diffs can read it. */
function toText(records: readonly string[]): string {
  return `{"version":"${version}","records":[\n${records.join(',\n')}\n]}\n`;
}

function toBytes(records: readonly string[]): number {
  return Buffer.byteLength(toText(records));
}

function takeFitting(records: readonly string[], maxBytes: number): readonly string[] {
  let leftBytes = maxBytes - toBytes([]);
  return records.filter((record) => {
    const bytes = Buffer.byteLength(record) + 2;
    if (bytes > leftBytes) return false;
    leftBytes -= bytes;
    return true;
  });
}

/** Undefined: it is no such text. */
function toRecords(text: string): readonly unknown[] | undefined {
  try {
    const document = toFields(JSON.parse(text), 'the text');
    const written = String(document['version']);
    if (written.split('.')[0] !== version.split('.')[0]) return undefined;
    return toList(document['records'], 'records');
  } catch {
    return undefined;
  }
}

function toRecord(entry: unknown): Fields {
  return typeof entry === 'object' && entry !== null ? (entry as Fields) : {};
}

function known<T>(record: T | undefined): T[] {
  return record === undefined ? [] : [record];
}
