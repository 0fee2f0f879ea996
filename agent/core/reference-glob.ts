/** Globs on normalised references, as `prefetch.allow` and `prune.keep` write them. */

import picomatch from 'picomatch';

type Matches = (text: string) => boolean;

/** A reference is text, so nothing in a glob means a file: a leading dot or `!` and brackets (IPv6 hosts) are literal. */
const globOptions = { dot: true, nonegate: true, nobracket: true, noextglob: true, strictSlashes: true } as const;

const compiled = new WeakMap<readonly string[], Matches>();

/** What a glob breaks, or undefined. */
export function referenceGlobRule(glob: string): string | undefined {
  if (glob === '' || /\s/.test(glob)) return 'a glob must not be empty or contain white space';
  if (glob.includes('://')) return 'a glob has no scheme such as https://';
  if (glob.startsWith('!')) return 'a glob cannot be negated';
  const host = glob.split('/', 1)[0] ?? '';
  const isHost = /[.:*?{]/.test(host) || host === 'localhost';
  return isHost ? undefined : 'a glob begins with the registry host, as in docker.io/library/*';
}

/** Whether one of the globs matches one of the texts. Compiled once for each array of globs. */
export function matchesGlob(globs: readonly string[], texts: readonly string[]): boolean {
  return texts.some(matcherOf(globs));
}

// Names that have nothing in common: a glob that matches them all matches everything, however it is written.
const unlike: readonly (readonly string[])[] = [
  ['docker.io/library/a', 'docker.io/library/a:1'],
  ['localhost/b', 'localhost/b:x.y'],
  ['[::1]:5000/c/d/e', `[::1]:5000/c/d/e@sha256:${'0'.repeat(64)}`],
  ['r.invalid:8443/f-g', 'r.invalid:8443/f-g:h_i'],
];

export function matchesEverything(glob: string): boolean {
  return unlike.every((texts) => matchesGlob([glob], texts));
}

function matcherOf(globs: readonly string[]): Matches {
  const known = compiled.get(globs);
  if (known !== undefined) return known;
  const matchers = globs.map((glob) => picomatch(toDeepGlob(glob), globOptions));
  const matches = (text: string): boolean => matchers.some((matcher) => matcher(text));
  compiled.set(globs, matches);
  return matches;
}

/** `host` and `host/*` mean everything below, however deep; a `*` before the end stays within one path part. */
function toDeepGlob(glob: string): string {
  if (!glob.includes('/')) return `${glob}/**`;
  return glob.endsWith('/*') ? `${glob}*` : glob;
}
