/** Reads small text files that people and tools change while the agent runs. */

import { open } from 'node:fs/promises';
import { errorMessage } from '../core/failure.ts';

export type FileState =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  /** There, but not to be used; `reason` is a sentence part such as `it has more than 1048576 bytes`. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Reads a whole file as UTF-8. Never throws: what is wrong is in the state. */
export async function readTextFile(path: string, maxBytes: number): Promise<FileState> {
  try {
    await using file = await open(path, 'r');
    const chunks: Buffer[] = [];
    let total = 0;
    for await (const chunk of file.createReadStream({ end: maxBytes, autoClose: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      total += chunk.length;
    }
    if (total > maxBytes) return { kind: 'unreadable', reason: `it has more than ${maxBytes} bytes` };
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)) };
  } catch (error) {
    return toFileState(error);
  }
}

export function isSameState(a: FileState | undefined, b: FileState): boolean {
  if (a?.kind !== b.kind) return false;
  if (a.kind === 'text') return b.kind === 'text' && a.text === b.text;
  return a.kind === 'missing' || (b.kind === 'unreadable' && a.reason === b.reason);
}

function toFileState(error: unknown): FileState {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { kind: 'missing' };
    case 'EACCES':
    case 'EPERM':
      return { kind: 'unreadable', reason: 'permission to read it is denied' };
    case 'EISDIR':
      return { kind: 'unreadable', reason: 'it is a folder' };
    case 'ELOOP':
      return { kind: 'unreadable', reason: 'its symbolic links lead in a circle' };
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return { kind: 'unreadable', reason: 'it is not UTF-8 text' };
    default:
      return { kind: 'unreadable', reason: errorMessage(error) };
  }
}
