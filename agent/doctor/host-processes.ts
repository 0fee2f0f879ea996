/** Command lines of the host's processes, where its /proc can be seen. */

import { basename } from 'node:path';
import type { HostFiles } from './host-files.ts';

/** Of each process whose program has that name, without the program itself. Empty: none, or they cannot be seen. */
export async function findArguments(files: HostFiles, program: string): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [];
  for (const name of (await files.list('/proc')) ?? []) {
    if (!/^\d+$/.test(name)) continue;
    // Processes end while they are looked at, and some may not be looked at.
    const text = await files.read(`/proc/${name}/cmdline`).catch(() => undefined);
    const [executable = '', ...rest] = (text ?? '').split('\0');
    if (basename(executable) === program) found.push(rest.slice(0, -1));
  }
  return found;
}

/** The value of the last of these options: `--config FILE` or `--config=FILE`. */
export function findOption(commandLine: readonly string[], ...names: readonly string[]): string | undefined {
  let value: string | undefined;
  for (const [index, text] of commandLine.entries()) {
    const equals = text.indexOf('=');
    if (names.includes(text)) value = commandLine[index + 1];
    else if (equals > 0 && names.includes(text.slice(0, equals))) value = text.slice(equals + 1);
  }
  return value;
}
