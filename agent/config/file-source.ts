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

/** Reads the file once. Never throws: a missing or unreadable file is a mistake. */
export async function loadConfigurationFile(path: string): Promise<ParsedConfiguration> {
  return toConfiguration(await readTextFile(path, maxConfigurationBytes), path);
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
    const parsed = toConfiguration(state, path);
    if (parsed.ok) handlers.onConfiguration(parsed.configuration, parsed.warnings);
    else handlers.onMistakes(parsed.mistakes);
  };
  await watchTextFile(path, maxConfigurationBytes, onState, signal);
}

function toConfiguration(state: FileState, path: string): ParsedConfiguration {
  switch (state.kind) {
    case 'text':
      return parseConfiguration(state.text, path);
    case 'missing':
      return { ok: false, source: path, mistakes: [wholeTextMistake('the file does not exist')] };
    case 'unreadable':
      return { ok: false, source: path, mistakes: [wholeTextMistake(`the file cannot be used: ${state.reason}`)] };
  }
}
