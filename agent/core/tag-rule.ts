/** Which tags a pattern's rule takes: by glob, RE2 expression and version range. Pure. */

import picomatch from 'picomatch';
import { RE2JS } from 're2js';
import type { SemVer } from 'semver';
import Range from 'semver/classes/range.js';
import compareBuild from 'semver/functions/compare-build.js';
import parseVersion from 'semver/functions/parse.js';
import type { TagRule } from './repository-pattern.ts';

/** What a tag breaks, in words, or undefined. */
type Breaks = (tag: string) => string | undefined;

/** A tag is text: brackets and a leading dot or `!` mean nothing. */
const globOptions = { dot: true, nonegate: true, nobracket: true, noextglob: true } as const;

const compiled = new WeakMap<TagRule, Breaks>();

/** What a tag breaks of the rule, apart from `newest`; undefined: nothing. Compiled once for each rule. */
export function tagFault(rule: TagRule, tag: string): string | undefined {
  let breaks = compiled.get(rule);
  if (breaks === undefined) {
    breaks = compile(rule);
    compiled.set(rule, breaks);
  }
  return breaks(tag);
}

/**
 * A tag as a version: one to three numbers with an optional `v` before and a pre-release after them, as in `v2`, `1.25` or
 * `2024.01.15-rc1`. What follows `_` is a build, as Helm writes it, since a tag cannot have a `+`.
 */
export function toTagVersion(tag: string): SemVer | undefined {
  const parts = /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z.-]+))?(?:_([0-9A-Za-z.-]+))?$/.exec(
    tag,
  );
  if (parts === null) return undefined;
  const [, major = '', minor = '0', patch = '0', preRelease, build] = parts;
  const numbers = [major, minor, patch].map(Number).join('.');
  const rest = `${preRelease === undefined ? '' : `-${preRelease}`}${build === undefined ? '' : `+${build}`}`;
  return parseVersion(numbers + rest, { loose: true }) ?? undefined;
}

/** Ascending. */
export function compareTagVersions(one: SemVer, other: SemVer): number {
  return compareBuild(one, other);
}

function compile({ match, regex, semver, newest, newestBy }: TagRule): Breaks {
  const rules: Breaks[] = [];
  if (match !== undefined) {
    const matches = picomatch(match, globOptions);
    rules.push((tag) => (matches(tag) ? undefined : `its tag does not match ${match}`));
  }
  if (regex !== undefined) {
    const expression = RE2JS.compile(regex);
    rules.push((tag) => (expression.testExact(tag) ? undefined : `its tag does not match the expression ${regex}`));
  }
  if (semver !== undefined) {
    // Only a range that itself names a pre-release asks for pre-releases: `-` right after a digit, not the one of `1.0 - 2.0`.
    const range = new Range(semver, { includePrerelease: /\d-[0-9A-Za-z]/.test(semver) });
    rules.push((tag) => {
      const version = toTagVersion(tag);
      if (version === undefined) return noVersion;
      return range.test(version) ? undefined : `its version is not in the range ${semver}`;
    });
  } else if (newest !== undefined && newestBy === 'version') {
    rules.push((tag) => (toTagVersion(tag) === undefined ? noVersion : undefined));
  }
  return (tag) => {
    for (const rule of rules) {
      const fault = rule(tag);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

const noVersion = 'its tag is not a version';
