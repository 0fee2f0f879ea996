/** Configuration text to a configuration, or to all its mistakes at once. */

import type * as z from 'zod';
import type { Configuration, Mistake, ParsedConfiguration } from '../core/configuration.ts';
import { toPathText } from '../core/mistake.ts';
import { findForeignHosts } from '../core/repository-place.ts';
import { defaultMessage, toMistakes } from './issues.ts';
import { findHarborHosts, findRepositoryPlaces } from './repository-places.ts';
import { configurationSchema, sections } from './schema.ts';
import { findWarnings } from './warnings.ts';
import { parseYaml, type YamlText } from './yaml-text.ts';

export type { ParsedConfiguration } from '../core/configuration.ts';

/**
 * Room for some 2,500 image sets. A ConfigMap holds up to 1 MiB, whose parsing takes 300 MB of memory and seconds: a team's slip would
 * end the agents of all nodes.
 */
export const maxConfigurationBytes = 256 * 1024;

/**
 * Parses YAML or JSON. Never throws. An empty text is a configuration that wants nothing. `source` names where the text is from and
 * comes back unchanged, for messages.
 */
export function parseConfiguration(text: string, source: string): ParsedConfiguration {
  const parsed = parseText(text, configurationSchema, (yaml) =>
    findForeignHosts(findRepositoryPlaces(yaml), findHarborHosts(yaml)),
  );
  if (!parsed.ok) return { ok: false, source, mistakes: parsed.mistakes };
  const warnings = toWarnings(parsed.value, parsed.text);
  return { ok: true, source, configuration: parsed.value, warnings };
}

export type ParsedText<T> =
  | { readonly ok: true; readonly value: T; readonly text: YamlText }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** Never throws; mistakes come by line. `findMore`: what no single value can say. */
export function parseText<S extends z.ZodType>(
  text: string,
  schema: S,
  findMore: (yaml: YamlText) => readonly Mistake[] = () => [],
): ParsedText<z.output<S>> {
  const fail = (mistakes: readonly Mistake[]) => ({ ok: false, mistakes }) as const;
  if (Buffer.byteLength(text) > maxConfigurationBytes) return fail([wholeTextMistake('must have at most 256 KiB')]);
  const yaml = parseYaml(text);
  if (!yaml.ok) return fail(yaml.mistakes);
  const { value, keyMistakes } = yaml.text;
  const parsed = schema.safeParse(withoutEmptySections(value), { error: () => defaultMessage });
  const issues = parsed.success ? [] : toMistakes(parsed.error.issues, yaml.text);
  const mistakes = [...keyMistakes, ...issues, ...findMore(yaml.text)];
  if (mistakes.length > 0) return fail(mistakes.sort(byLine));
  // Without mistakes the parse has succeeded.
  if (!parsed.success) return fail(mistakes);
  return { ok: true, value: parsed.data, text: yaml.text };
}

function toWarnings(configuration: Configuration, text: YamlText): readonly Mistake[] {
  return findWarnings(configuration)
    .map(({ path, rule }) => ({ path: toPathText(path), ...text.locate(path), rule }))
    .sort(byLine);
}

function byLine(a: Mistake, b: Mistake): number {
  return (a.line ?? 0) - (b.line ?? 0);
}

/** A mistake that concerns the whole text. */
export function wholeTextMistake(rule: string): Mistake {
  return { path: '', value: undefined, rule, line: undefined };
}

/**
 * A section whose every line is commented out is as good as absent. Deeper down a key without a value stays a mistake:
 * there, an empty `nodeSelector:` or `allow:` would say far more than its writer meant.
 */
function withoutEmptySections(value: unknown): unknown {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key, inner]) => inner !== null || !sections.includes(key)));
}
