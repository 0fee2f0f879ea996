/** What zod found wrong, in the user's words. */

import type * as z from 'zod';
import type { Mistake } from '../core/configuration.ts';
import { type MistakePath, toPathText } from '../core/mistake.ts';
import { nearestKey } from './options.ts';
import type { YamlText } from './yaml-text.ts';

type Issue = z.core.$ZodIssue;

const nouns: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a text',
  boolean: 'true or false',
};

/** What stands where a credential's file or a public key should stand may be the secret itself. */
const secretPlaces: ReadonlySet<PropertyKey> = new Set(['credentials', 'signedBy']);

export function toMistakes(issues: readonly Issue[], text: YamlText): readonly Mistake[] {
  return issues.flatMap((issue) => issueMistakes(issue, [], text));
}

function issueMistakes(issue: Issue, outer: MistakePath, text: YamlText): readonly Mistake[] {
  const path = [...outer, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, text));
  if (issue.code === 'invalid_union') {
    const branch = branchMeant(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => issueMistakes(inner, path, text));
  }
  if (issue.code === 'invalid_key') {
    const rule = issue.issues.map(({ message }) => message).join(', ');
    return [{ path: toPathText(path), value: undefined, rule, line: text.lineOfKey(path) }];
  }
  const { line, value } = text.locate(path);
  const shown = path.some((step) => secretPlaces.has(step)) ? undefined : value;
  return [{ path: toPathText(path), value: shown, rule: toRule(issue, path, shown, text), line }];
}

function unknownKey(path: MistakePath, key: string, text: YamlText): Mistake {
  const nearest = nearestKey(path, key);
  const rule = nearest === undefined ? 'unknown key' : `unknown key; did you mean ${nearest}?`;
  // Never with its value: a password put here by mistake would end up in a log.
  return { path: toPathText([...path, key]), value: undefined, rule, line: text.lineOfKey([...path, key]) };
}

/** Of the ways to write a value, the one whose type the value has. */
function branchMeant(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find((issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0));
}

function toRule(issue: Issue, path: MistakePath, value: string | undefined, text: YamlText): string {
  const written = valueAt(text.value, path);
  if (written === undefined && issue.code !== 'custom') return 'is required';
  if (written === null && issue.code !== 'custom') return 'has no value';
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.message !== defaultMessage) return issue.message;
      const hint = issue.expected === 'string' && value !== undefined ? `: write "${value}" in quotes` : '';
      return `must be ${nouns[issue.expected] ?? issue.expected}${hint}`;
    }
    case 'invalid_union':
      return issue.message === defaultMessage ? 'must be a text or a map' : issue.message;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`;
    default:
      return issue.message;
  }
}

/** Given as the error map of a parse, so that a schema's own words can be told from zod's. */
export const defaultMessage = 'zod';

function valueAt(root: unknown, path: MistakePath): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    root,
  );
}
