/** The records of a published resolution, read without trust: anybody who may write the ConfigMap wrote them. Pure. */

import { type Fields, toFields, toList, toNumber, toText } from './checked-text.ts';
import { type FailureCode, failureCodes, failureDetails } from './failure.ts';
import { isDigest, parseReference, storedName } from './image-reference.ts';
import { formatPlatform, parsePlatform } from './platform.ts';
import {
  type ExcludedImage,
  exclusionReasons,
  type ResolvedFailure,
  type ResolvedImage,
  type ResolvedPattern,
  type ResolvedPlatform,
  warmStates,
} from './resolution.ts';

/** More than the coordinator ever writes. */
const maxMembers = 1_000;
const maxPlatforms = 100;
const maxMessageLength = 1_000;
const maxKeyLength = 100;
/** Each costs an Error, and a text of 1 MiB has room for half a million. */
const maxFaults = 1_000;

/** What could not be read of one text. */
export class Faults {
  #left = maxFaults;

  /** Nothing more is worth a look. */
  get areTooMany(): boolean {
    return this.#left <= 0;
  }

  /** Undefined: it cannot be read, or is not looked at any more. */
  ifReadable<T>(parse: () => T): T | undefined {
    if (this.areTooMany) return undefined;
    try {
      return parse();
    } catch {
      this.#left -= 1;
      return undefined;
    }
  }
}

/** Undefined: it is none. */
export function parseImage(fields: Fields, faults: Faults): ResolvedImage | undefined {
  return faults.ifReadable(() => ({
    reference: toReference(fields['reference']),
    digest: fields['digest'] === undefined ? undefined : toDigest(fields['digest']),
    isProxied: fields['isProxied'] === true,
    platforms: toList(fields['platforms'], 'platforms').slice(0, maxPlatforms).map(toPlatform),
    ...toPushedAt(fields['pushedAt']),
    ...toFailure(fields, 'refusal'),
    ...toFailure(fields, 'failure'),
  }));
}

/** Undefined: it is none. */
export function parsePattern(fields: Fields, faults: Faults): ResolvedPattern | undefined {
  return faults.ifReadable(() => {
    const key = toText(fields['key'], 'key');
    if (!/^[A-Za-z0-9_-]+$/.test(key) || key.length > maxKeyLength) throw new Error('key is none');
    return {
      key,
      members: [...new Set(toReadable(fields['members'], toMember, faults))].toSorted(),
      excluded: toReadable(fields['excluded'], toExcluded, faults),
      excludedCount: toNumber(fields['excludedCount'], 'excludedCount'),
      ...(fields['kept'] === undefined ? {} : { kept: toReadable(fields['kept'], toExcluded, faults) }),
      ...toFailure(fields, 'failure'),
    };
  });
}

/** It only orders: without a readable one the record is worth as much. */
function toPushedAt(value: unknown): Pick<ResolvedImage, 'pushedAt'> {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? { pushedAt: value } : {};
}

function toPlatform(value: unknown): ResolvedPlatform {
  const fields = toFields(value, 'a platform');
  const warm = warmStates.find((state) => state === fields['warm']);
  if (warm === undefined) throw new Error('warm is no state');
  return {
    platform: formatPlatform(parsePlatform(toText(fields['platform'], 'platform'))),
    digest: toDigest(fields['digest']),
    imageId: toDigest(fields['imageId']),
    sizeBytes: toNumber(fields['sizeBytes'], 'sizeBytes'),
    warm,
    ...toFailure(fields, 'refusal'),
  };
}

/** What refuses or failed is kept also where its words are not: the pull would only fail with them. */
function toFailure<Key extends 'refusal' | 'failure'>(
  fields: Fields,
  key: Key,
): { readonly [_ in Key]?: ResolvedFailure } {
  const value = fields[key];
  if (value === undefined) return {};
  const { code: written, detail, message } = toFields(value, key);
  const code: FailureCode | undefined = failureCodes.find((known) => known === written);
  if (code === undefined) throw new Error(`${key}.code is none`);
  const failure: ResolvedFailure = { code, message: toWords(message, `${key}.message`) };
  const known = failureDetails.find((one) => one === detail);
  return { [key]: known === undefined ? failure : { ...failure, detail: known } } as {
    readonly [_ in Key]?: ResolvedFailure;
  };
}

/** A member has a tag: a digest never stands for what a pattern found. */
function toMember(value: unknown): string {
  const reference = toReference(value);
  if (reference.includes('@')) throw new Error('a member has no tag');
  return reference;
}

function toExcluded(value: unknown): ExcludedImage {
  const { reference, reason: written, message } = toFields(value, 'an excluded image');
  const reason = exclusionReasons.find((known) => known === written);
  if (reason === undefined) throw new Error('reason is none');
  return {
    reference: toWords(reference, 'reference'),
    reason,
    message: toWords(message, 'message'),
  };
}

/** For people, in one line: terminals take control characters as orders. */
function toWords(value: unknown, what: string): string {
  return toText(value, what)
    .slice(0, maxMessageLength)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

function toReference(value: unknown): string {
  const text = toText(value, 'reference');
  if (storedName(parseReference(text)) !== text) throw new Error('the reference is not normalised');
  return text;
}

function toDigest(value: unknown): string {
  const text = toText(value, 'digest');
  if (!isDigest(text)) throw new Error('a digest is none');
  return text;
}

/** The first entries of a list, those that can be read. A list that ends for its faults is none: it would look like one that became shorter. */
function toReadable<T>(value: unknown, parse: (entry: unknown) => T, faults: Faults): T[] {
  const entries = toList(value, 'a list').slice(0, maxMembers);
  const readable = entries.flatMap((entry) => faults.ifReadable(() => [parse(entry)]) ?? []);
  if (faults.areTooMany) throw new Error('too much cannot be read');
  return readable;
}
