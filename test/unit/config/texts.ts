/** Short ways to ask what becomes of a configuration text. */

import { parseConfiguration } from '../../../agent/config/load.ts';
import type { Configuration, Mistake } from '../../../agent/core/configuration.ts';
import { formatMistakes } from '../../../agent/core/mistake.ts';

export function accepted(text: string): Configuration {
  const parsed = parseConfiguration(text, 'config.yaml');
  if (!parsed.ok) throw new Error(formatMistakes(parsed.mistakes, parsed.source));
  return parsed.configuration;
}

export function warned(text: string): readonly Mistake[] {
  const parsed = parseConfiguration(text, 'config.yaml');
  if (!parsed.ok) throw new Error(formatMistakes(parsed.mistakes, parsed.source));
  return parsed.warnings;
}

export function refused(text: string): readonly Mistake[] {
  const parsed = parseConfiguration(text, 'config.yaml');
  return parsed.ok ? [] : parsed.mistakes;
}

export const lines = (mistakes: readonly Mistake[]): readonly string[] =>
  formatMistakes(mistakes, 'config.yaml').split('\n');

/** One image set with these lines of its own. */
export const oneSet = (...own: string[]): string =>
  ['imageSets:', '- name: a', '  images: [x.io/y]', ...own.map((line) => `  ${line}`)].join('\n');
