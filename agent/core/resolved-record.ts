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

/** Undefined: it is none. */
export function parseImage(fields: Fields): ResolvedImage | undefined {
  return ifReadable(() => ({
    reference: toReference(fields['reference']),
    digest: fields['digest'] === undefined ? undefined : toDigest(fields['digest']),
    isProxied: fields['isProxied'] === true,
    platforms: toList(fields['platforms'], 'platforms').slice(0, maxPlatforms).map(toPlatform),
    ...toFailure(fields, 'refusal'),
    ...toFailure(fields, 'failure'),
  }));
}

/** Undefined: it is none. */
export function parsePattern(fields: Fields): ResolvedPattern | undefined {
  return ifReadable(() => {
    const key = toText(fields['key'], 'key');
    if (!/^[A-Za-z0-9_-]+$/.test(key) || key.length > maxKeyLength) throw new Error('key is none');
    return {
      key,
      members: [...new Set(toReadable(fields['members'], toMember))].slice(0, maxMembers).toSorted(),
      excluded: toReadable(fields['excluded'], toExcluded).slice(0, maxMembers),
      excludedCount: toNumber(fields['excludedCount'], 'excludedCount'),
      ...toFailure(fields, 'failure'),
    };
  });
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
  const failure: ResolvedFailure = { code, message: toText(message, `${key}.message`).slice(0, maxMessageLength) };
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
    reference: toText(reference, 'reference').slice(0, maxMessageLength),
    reason,
    message: toText(message, 'message').slice(0, maxMessageLength),
  };
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

/** The entries of a list that can be read. */
function toReadable<T>(value: unknown, parse: (entry: unknown) => T): T[] {
  return toList(value, 'a list').flatMap((entry) => ifReadable(() => [parse(entry)]) ?? []);
}

function ifReadable<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
