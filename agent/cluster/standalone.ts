/** The node's labels without Kubernetes: from the command line and from a file, which is watched. */

import { once } from 'node:events';
import type { Mistake } from '../core/configuration.ts';
import { labelKeyRule, labelValueRule } from '../core/label-syntax.ts';
import type { Labels } from '../core/label-selector.ts';
import { toShownValue } from '../core/mistake.ts';
import { type FileState, readTextFile } from '../files/text-file.ts';
import { watchTextFile } from '../files/watched-file.ts';

export interface LabelSources {
  /** From the command line; they win over the file's. */
  readonly labels: Labels;
  /** Undefined: the command line's are all. */
  readonly labelsFile: string | undefined;
}

export interface LabelHandlers {
  readonly onLabels: (labels: Labels) => void;
  /** The file cannot be used as it is now, or is not there; whatever labels came last stay in force. */
  readonly onMistakes: (mistakes: readonly Mistake[]) => void;
}

export type ParsedLabels =
  | { readonly ok: true; readonly labels: Labels }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** More than a Node object can hold. */
const maxLabelsFileBytes = 1024 * 1024;

/**
 * One `KEY=VALUE` a line; the value may be empty. Blank lines and lines that begin with # do not count. All mistakes come
 * together: syntax as Kubernetes has it, and keys that come twice.
 */
export function parseLabels(text: string): ParsedLabels {
  const labels = new Map<string, string>();
  const mistakes: Mistake[] = [];
  for (const [index, written] of text.split('\n').entries()) {
    const entry = written.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const equals = entry.indexOf('=');
    const key = equals < 0 ? entry : entry.slice(0, equals).trim();
    const value = entry.slice(equals + 1).trim();
    const broken = equals < 0 ? 'must be KEY=VALUE' : (labelKeyRule(key) ?? labelValueRule(value));
    const rule = broken ?? (labels.has(key) ? 'the key is there already' : undefined);
    if (rule === undefined) labels.set(key, value);
    else mistakes.push({ path: '', value: toShownValue(entry), rule, line: index + 1 });
  }
  return mistakes.length === 0 ? { ok: true, labels: Object.fromEntries(labels) } : { ok: false, mistakes };
}

/** The labels as they are now. Never throws: a missing or unreadable file is a mistake. */
export async function loadLabels(sources: LabelSources): Promise<ParsedLabels> {
  if (sources.labelsFile === undefined) return { ok: true, labels: sources.labels };
  return withFileLabels(sources.labels, await readTextFile(sources.labelsFile, maxLabelsFileBytes));
}

/**
 * Calls a handler with the labels as they are now, and again within a second of every change of the file's content. Resolves
 * when the signal fires; what a handler throws rejects it.
 */
export async function watchLabels(sources: LabelSources, handlers: LabelHandlers, signal: AbortSignal): Promise<void> {
  const { labels, labelsFile } = sources;
  if (labelsFile === undefined) {
    handlers.onLabels(labels);
    if (!signal.aborted) await once(signal, 'abort');
    return;
  }
  const onState = (state: FileState): void => {
    const parsed = withFileLabels(labels, state);
    if (parsed.ok) handlers.onLabels(parsed.labels);
    else handlers.onMistakes(parsed.mistakes);
  };
  await watchTextFile(labelsFile, maxLabelsFileBytes, onState, signal);
}

function withFileLabels(labels: Labels, state: FileState): ParsedLabels {
  const fail = (rule: string): ParsedLabels => ({
    ok: false,
    mistakes: [{ path: '', value: undefined, rule, line: undefined }],
  });
  switch (state.kind) {
    case 'text': {
      const parsed = parseLabels(state.text);
      return parsed.ok ? { ok: true, labels: { ...parsed.labels, ...labels } } : parsed;
    }
    case 'missing':
      return fail('the file does not exist');
    case 'unreadable':
      return fail(`the file cannot be used: ${state.reason}`);
  }
}
