/** YAML (and so JSON) text to plain values, with the line of every value for messages. */

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from 'yaml';
import type { Mistake } from '../core/configuration.ts';
import { errorMessage } from '../core/failure.ts';
import { type MistakePath, toPathText, toShownValue } from '../core/mistake.ts';

export interface Located {
  readonly line: number | undefined;
  /** A scalar as written, shortened; undefined for a map, a list or nothing. */
  readonly value: string | undefined;
}

export interface YamlText {
  /** Null where the text is empty or has comments only. */
  readonly value: unknown;
  /** Keys that one map has twice (the later one would silently win) or that no map can have. */
  readonly keyMistakes: readonly Mistake[];
  /** The value at a path; where there is none, the line of the map that lacks it. */
  locate(path: MistakePath): Located;
  /** The line of a key, which differs from its value's where that begins below. */
  lineOfKey(path: MistakePath): number | undefined;
}

export type ParsedYaml =
  | { readonly ok: true; readonly text: YamlText }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

interface Entry {
  readonly key: unknown;
  readonly value: unknown;
}

type LineOf = (node: unknown) => number | undefined;

/** Never throws: whatever is wrong with the text is in `mistakes`. */
export function parseYaml(text: string): ParsedYaml {
  try {
    return parseDocument(text);
  } catch (error) {
    // Aliases that unfold without end, or maps inside maps until the stack is full.
    return { ok: false, mistakes: [syntaxMistake(`not YAML: ${toShownValue(errorMessage(error))}`, undefined)] };
  }
}

function parseDocument(text: string): ParsedYaml {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  const lineOf: LineOf = (node) => {
    const range = (node as Partial<Node> | undefined)?.range;
    return range ? lineAt(range[0]) : undefined;
  };
  // Duplicate keys are looked for below, since the library does not say their path.
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'silent' } as const;
  const parsed = parseAllDocuments(text, options);
  const documents: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed;

  const syntax = new Map<number, Mistake>();
  const report = (rule: string, line: number): void => {
    // One slip makes a trail of errors on its line; the first says it.
    if (!syntax.has(line))
      syntax.set(line, syntaxMistake(`not YAML: ${toShownValue(rule)}${starHint(text, line)}`, line));
  };
  for (const document of documents) {
    for (const { message, pos } of document.errors) report(message, lineAt(pos[0]));
    visit(document, {
      Alias: (_, alias) => {
        if (alias.resolve(document) === undefined) report(`nothing is named &${alias.source}`, lineOf(alias) ?? 1);
      },
    });
  }
  if (syntax.size > 0) return { ok: false, mistakes: [...syntax.values()] };

  const [document, second] = documents;
  if (second !== undefined) {
    const line = lineAt(second.range[0]);
    return { ok: false, mistakes: [syntaxMistake('must be one YAML document, not several', line)] };
  }
  return { ok: true, text: toYamlText(document, lineOf) };
}

function syntaxMistake(rule: string, line: number | undefined): Mistake {
  return { path: '', value: undefined, rule, line };
}

/** `cron: * * * * *` and `allow: [*.example.com/*]` are aliases to YAML. */
function starHint(text: string, line: number): string {
  return /[:[,-]\s*\*/.test(text.split('\n')[line - 1] ?? '') ? ': a value that begins with * needs quotes' : '';
}

function toYamlText(document: Document.Parsed | undefined, lineOf: LineOf): YamlText {
  const root = document?.contents ?? undefined;
  const follow = (node: unknown): unknown => (document !== undefined && isAlias(node) ? node.resolve(document) : node);
  const child = (parent: unknown, step: PropertyKey): Entry | undefined => {
    const node = follow(parent);
    if (isSeq(node) && typeof step === 'number') return { key: node.items[step], value: node.items[step] };
    return isMap(node) ? node.items.find((pair) => toKey(pair.key) === String(step)) : undefined;
  };

  return {
    value: document === undefined ? null : document.toJS(),
    keyMistakes: findKeyMistakes(root, [], lineOf),
    locate(path) {
      let node: unknown = root;
      let line = lineOf(root);
      for (const step of path) {
        const entry = child(node, step);
        if (entry === undefined) return { line, value: undefined };
        node = entry.value;
        line = lineOf(node) ?? lineOf(entry.key) ?? line;
      }
      const shown = follow(node);
      const written = isScalar(shown) && shown.value !== null ? shown.source : undefined;
      return { line, value: written === undefined ? undefined : toShownValue(written) };
    },
    lineOfKey(path) {
      let entry: Entry = { key: root, value: root };
      for (const step of path) {
        const next = child(entry.value, step);
        if (next === undefined) break;
        entry = next;
      }
      return lineOf(entry.key);
    },
  };
}

function findKeyMistakes(node: unknown, path: MistakePath, lineOf: LineOf): readonly Mistake[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => findKeyMistakes(item, [...path, index], lineOf));
  if (!isMap(node)) return [];
  const firstLines = new Map<string, number | undefined>();
  return node.items.flatMap((pair) => {
    const key = toKey(pair.key);
    const line = lineOf(pair.key);
    const mistakes: Mistake[] = [...findKeyMistakes(pair.value, [...path, key], lineOf)];
    const report = (rule: string) => mistakes.push({ path: toPathText([...path, key]), value: undefined, rule, line });
    if (firstLines.has(key)) report(`the key is already on line ${firstLines.get(key)}`);
    else firstLines.set(key, line);
    // Schema libraries pass over this name, so it would be dropped without a word.
    if (key === '__proto__') report('unknown key');
    return mistakes;
  });
}

function toKey(node: unknown): string {
  return isScalar(node) ? String(node.value) : String(node);
}
