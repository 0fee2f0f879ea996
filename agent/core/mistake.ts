/** Mistakes in what a user wrote, put into words for people. */

import type { Mistake } from './configuration.ts';

const longestValue = 80;

/**
 * For people, one line each: `config.yaml:12: imageSets[0].images[1]: "Foo:bar": the repository name must be lower case`.
 * `source` is the file or object that the text came from.
 */
export function formatMistakes(mistakes: readonly Mistake[], source: string): string {
  return mistakes.map((mistake) => formatMistake(mistake, source)).join('\n');
}

function formatMistake({ path, value, rule, line }: Mistake, source: string): string {
  const parts = [line === undefined ? source : `${source}:${line}`];
  if (path !== '') parts.push(path);
  if (value !== undefined) parts.push(JSON.stringify(value));
  return [...parts, rule].join(': ');
}

/** A value fit for a message: one line, short, and without the user name and password that an URL may carry. */
export function toShownValue(text: string): string {
  const [line = '', ...more] = text
    .trim()
    .replace(/:\/\/[^/\s]*@/g, '://…@')
    .split('\n');
  if (line.length > longestValue) return `${line.slice(0, longestValue)}…`;
  return more.length > 0 ? `${line}…` : line;
}

/** Keys of maps and indices of lists, from the top. */
export type MistakePath = readonly PropertyKey[];

/** `imageSets[0].nodeSelector.matchLabels["nvidia.com/gpu"]` */
export function toPathText(path: MistakePath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(String(step))) text += text === '' ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step))}]`;
  }
  return text;
}
