/** Which images `prune.keep` holds. Pure. */

import type { KeepRule } from './configuration.ts';
import { repositoryOf } from './image-reference.ts';
import { matchesGlob } from './reference-glob.ts';

interface Compiled {
  readonly globs: readonly string[];
  readonly digests: ReadonlySet<string>;
  readonly labels: readonly (KeepRule & { readonly kind: 'label' })[];
}

const compiled = new WeakMap<readonly KeepRule[], Compiled>();

/**
 * Whether a rule holds the image.
 *
 * @param names its tag and digest names, normalised. A glob matches one of them, or one without its tag or digest.
 * @param labels those of its config; undefined where the config cannot be read: a rule on labels then holds the image, since what cannot
 *   be ruled out must not be removed.
 */
export function matchesKeepRule(
  rules: readonly KeepRule[],
  names: readonly string[],
  imageId: string,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const { globs, digests, labels: wanted } = compile(rules);
  if (digests.has(imageId) || names.some((name) => digests.has(digestOf(name)))) return true;
  if (
    globs.length > 0 &&
    matchesGlob(
      globs,
      names.flatMap((name) => [name, repositoryOf(name)]),
    )
  )
    return true;
  if (labels === undefined) return wanted.length > 0;
  return wanted.some(({ key, value }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value));
}

/** Whether the labels of images have to be read to know what the rules hold. */
export function needsLabels(rules: readonly KeepRule[]): boolean {
  return compile(rules).labels.length > 0;
}

function compile(rules: readonly KeepRule[]): Compiled {
  const known = compiled.get(rules);
  if (known !== undefined) return known;
  const fresh: Compiled = {
    globs: rules.flatMap((rule) => (rule.kind === 'glob' ? [rule.glob] : [])),
    digests: new Set(rules.flatMap((rule) => (rule.kind === 'digest' ? [rule.digest] : []))),
    labels: rules.filter((rule) => rule.kind === 'label'),
  };
  compiled.set(rules, fresh);
  return fresh;
}

function digestOf(name: string): string {
  return name.slice(name.indexOf('@') + 1);
}
