/** What `prefetch.allow` lets an image set ask for. */

import picomatch from 'picomatch';
import { type ImageReference, parseReference, repositoryName } from './image-reference.ts';

type Matches = (text: string) => boolean;

/** A reference is text, so nothing in a glob means a file: a leading dot or `!` and brackets (IPv6 hosts) are literal. */
const globOptions = { dot: true, nonegate: true, nobracket: true, noextglob: true, strictSlashes: true } as const;

const compiled = new WeakMap<readonly string[], Matches>();

/**
 * Whether an image may be pulled. A glob matches the normalised name without tag and digest, or with the tag, or, where the
 * reference has a digest, with the digest instead: the digest decides what is pulled, so the tag beside it proves nothing.
 *
 * Without `allow` the hosts in `registries` are allowed. With neither nothing was restricted, and every registry is allowed.
 *
 * @throws InvalidReferenceError where `reference` is none.
 */
export function isAllowed(
  reference: string,
  allow: readonly string[] | undefined,
  registryHosts: readonly string[],
): boolean {
  const parsed = parseReference(reference);
  if (allow === undefined) return registryHosts.length === 0 || registryHosts.includes(parsed.registry);
  const matches = matcherOf(allow);
  return namesOf(parsed).some(matches);
}

/** What a glob breaks, or undefined. */
export function allowGlobRule(glob: string): string | undefined {
  if (glob === '' || /\s/.test(glob)) return 'a glob must not be empty or contain white space';
  if (glob.includes('://')) return 'a glob has no scheme such as https://';
  if (glob.startsWith('!')) return 'a glob cannot be negated';
  const host = glob.split('/', 1)[0] ?? '';
  const isHost = /[.:*?{]/.test(host) || host === 'localhost';
  return isHost ? undefined : 'a glob begins with the registry host, as in docker.io/library/*';
}

function namesOf(reference: ImageReference): readonly string[] {
  const name = repositoryName(reference);
  return reference.digest === undefined ? [name, `${name}:${reference.tag}`] : [name, `${name}@${reference.digest}`];
}

function matcherOf(allow: readonly string[]): Matches {
  const known = compiled.get(allow);
  if (known !== undefined) return known;
  const matchers = allow.map((glob) => picomatch(toDeepGlob(glob), globOptions));
  const matches = (text: string): boolean => matchers.some((matcher) => matcher(text));
  compiled.set(allow, matches);
  return matches;
}

/** `host` and `host/*` mean everything below, however deep; a `*` before the end stays within one path part. */
function toDeepGlob(glob: string): string {
  if (!glob.includes('/')) return `${glob}/**`;
  return glob.endsWith('/*') ? `${glob}*` : glob;
}
