/** The configuration from a file: read once for a command, or watched by the agent. */

import type { Configuration, Mistake } from '../core/configuration.ts';
import { type FileState, readTextFile } from '../files/text-file.ts';
import { watchTextFile } from '../files/watched-file.ts';
import { maxConfigurationBytes, type ParsedConfiguration, parseConfiguration, wholeTextMistake } from './load.ts';

export interface ConfigurationHandlers {
  /** Also when an edit takes a mistake back, so that the same configuration may come twice in a row. */
  readonly onConfiguration: (configuration: Configuration, warnings: readonly Mistake[]) => void;
  /** The file cannot be used as it is now, or is not there; whatever configuration came last stays in force. */
  readonly onMistakes: (mistakes: readonly Mistake[]) => void;
}

type Refused = ParsedConfiguration & { readonly ok: false };

/** Reads the file once. Never throws: a missing or unreadable file is a mistake. */
export async function loadConfigurationFile(path: string): Promise<ParsedConfiguration> {
  return await loadFile(path, parseConfiguration);
}

/** The same for texts of another kind. */
export async function loadFile<Parsed>(
  path: string,
  parse: (text: string, source: string) => Parsed,
): Promise<Parsed | Refused> {
  return toParsed(await readTextFile(path, maxConfigurationBytes), path, parse);
}

/**
 * Calls a handler with what the file holds now, and again within a second of every change of its content. Resolves when the
 * signal fires; what a handler throws rejects it.
 */
export async function watchConfigurationFile(
  path: string,
  handlers: ConfigurationHandlers,
  signal: AbortSignal,
): Promise<void> {
  const onState = (state: FileState): void => {
    const parsed = toParsed(state, path, parseConfiguration);
    if (parsed.ok) handlers.onConfiguration(parsed.configuration, parsed.warnings);
    else handlers.onMistakes(parsed.mistakes);
  };
  await watchTextFile(path, maxConfigurationBytes, onState, signal);
}

function toParsed<Parsed>(
  state: FileState,
  path: string,
  parse: (text: string, source: string) => Parsed,
): Parsed | Refused {
  switch (state.kind) {
    case 'text':
      return parse(state.text, path);
    case 'missing':
      return { ok: false, source: path, mistakes: [wholeTextMistake('the file does not exist')] };
    case 'unreadable':
      return { ok: false, source: path, mistakes: [wholeTextMistake(`the file cannot be used: ${state.reason}`)] };
  }
}
