/**
 * What a removal is about to take away, written as labels of a lease of ours before it takes anything: whoever comes after a kill finds in
 * containerd itself what has to be put back. Pure.
 */

import type { FullImageRecord, LeaseResource, SnapshotKey } from './containerd-protocol.ts';
import { toContentReferences, toSnapshotLinks } from './document-links.ts';

/** An image as it was before its removal. */
export interface RemovalJournal {
  readonly imageId: string;
  readonly records: readonly FullImageRecord[];
  /** The blobs without which the records would name nothing: targets, and the config where it was here. */
  readonly documents: readonly string[];
  /** The last snapshot of its unpacked layers, by snapshotter: what a container's own layer stands on. */
  readonly tops: readonly SnapshotKey[];
}

/** Names the image that a lease was made to remove, and so tells these leases from all others. */
export const removalLabel = 'stevedore.dev/remove';
const partLabel = /^stevedore\.dev\/remove-(\d+)$/;
/** containerd limits a label's key and value together to 4,096 bytes. */
const partLength = 4_000;

export function toJournalLabels(journal: RemovalJournal): Record<string, string> {
  const text = toAscii(JSON.stringify(journal));
  const labels: Record<string, string> = { [removalLabel]: journal.imageId };
  for (let start = 0; start < text.length; start += partLength) {
    labels[`${removalLabel}-${start / partLength}`] = text.slice(start, start + partLength);
  }
  return labels;
}

/** Undefined for a lease that is not of a removal, or whose labels somebody changed. */
export function parseJournal(labels: Readonly<Record<string, string>>): RemovalJournal | undefined {
  const parts = Object.entries(labels).flatMap(([key, text]) => {
    const index = partLabel.exec(key)?.[1];
    return index === undefined ? [] : [{ index: Number(index), text }];
  });
  const text = parts
    .toSorted((a, b) => a.index - b.index)
    .map((part) => part.text)
    .join('');
  try {
    const journal: unknown = JSON.parse(text);
    return isJournal(journal) && journal.imageId === labels[removalLabel] ? journal : undefined;
  } catch {
    return undefined;
  }
}

/** Everything that the records keep from the collector, directly: what they lead to from there is kept with it. */
export function toHeldResources({ records }: Pick<RemovalJournal, 'records'>): LeaseResource[] {
  const held = new Map<string, LeaseResource>();
  const add = (resource: LeaseResource): Map<string, LeaseResource> =>
    held.set(`${resource.type} ${resource.id}`, resource);
  for (const { target, labels } of records) {
    add({ id: target.digest, type: 'content' });
    for (const digest of toContentReferences(labels)) add({ id: digest, type: 'content' });
    for (const { snapshotter, key } of toSnapshotLinks(labels)) add({ id: key, type: `snapshots/${snapshotter}` });
  }
  return [...held.values()];
}

/** A character then takes one byte, and no part ends in the middle of one. */
function toAscii(json: string): string {
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every(isText);
}

function isTarget(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { media_type, digest, size, annotations = {} } = value;
  return isText(media_type) && isText(digest) && isText(size) && isTexts(annotations);
}

function isRecord(value: unknown): value is FullImageRecord {
  return isObject(value) && isText(value['name']) && isTexts(value['labels']) && isTarget(value['target']);
}

function isSnapshotKey(value: unknown): value is SnapshotKey {
  return isObject(value) && isText(value['snapshotter']) && isText(value['key']);
}

function isJournal(value: unknown): value is RemovalJournal {
  return (
    isObject(value) &&
    isText(value['imageId']) &&
    isListOf(value['records'], isRecord) &&
    isListOf(value['documents'], isText) &&
    isListOf(value['tops'], isSnapshotKey)
  );
}
