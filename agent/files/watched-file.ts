/** Watches one small text file: level-triggered, so that what counts is always what the file holds now. */

import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileState, isSameState, readTextFile } from './text-file.ts';
import { WatchPoints } from './watch-points.ts';

/** A file counts as written once it has not changed for this long. */
const settleMs = 25;
/**
 * An editor that writes in place empties the file first, and one that renames leaves none for a moment. What is empty or
 * gone is believed after this long, for an empty text may well be valid and would take everything away.
 */
const doubtMs = 400;
/** Looking by the clock where events are unreliable, and where they are, in case one went missing. */
const pollMs = 800;
const slowPollMs = 15_000;

/**
 * Calls `onState` with what the file holds: once at the start and then at every change of it, within a second (mostly some
 * 50 ms) also for renames over the file, swapped symbolic links and files that appear later. Resolves when the signal
 * fires; what `onState` throws rejects it.
 */
export async function watchTextFile(
  path: string,
  maxBytes: number,
  onState: (state: FileState) => void,
  signal: AbortSignal,
): Promise<void> {
  const hint = createHint();
  using points = new WatchPoints(path, hint.give);
  let last: { readonly state: FileState; readonly signature: string } | undefined;
  while (!signal.aborted) {
    hint.take();
    const reliable = await points.arm();
    const signature = await signatureOf(path);
    if (last?.signature !== signature) {
      const read = await readSettled(path, maxBytes, last?.state, signal);
      if (read === undefined) return;
      if (!isSameState(last?.state, read.state)) onState(read.state);
      last = read;
      // Links may lead elsewhere by now.
      if (read.signature !== signature) continue;
    }
    await hint.wait(reliable ? slowPollMs : pollMs, signal);
  }
}

/** Undefined when the signal fired. */
async function readSettled(path: string, maxBytes: number, previous: FileState | undefined, signal: AbortSignal) {
  let before = await signatureOf(path);
  let doubtedSince: number | undefined;
  for (let isFirst = previous === undefined; !signal.aborted; isFirst = false) {
    if (!isFirst && !(await pause(settleMs, signal))) return undefined;
    const settled = await signatureOf(path);
    const state = await readRegularFile(path, maxBytes);
    const after = await signatureOf(path);
    const isSteady = before === settled && settled === after;
    before = after;
    if (!isSteady) continue;
    doubtedSince ??= performance.now();
    if (!isDoubtful(state, previous) || performance.now() - doubtedSince >= doubtMs) return { state, signature: after };
  }
  return undefined;
}

function isDoubtful(state: FileState, previous: FileState | undefined): boolean {
  if (state.kind === 'missing') return previous?.kind === 'text';
  return state.kind === 'text' && state.text.trim() === '';
}

/** A pipe in the file's place would block the reading for ever. */
async function readRegularFile(path: string, maxBytes: number): Promise<FileState> {
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined && !stats.isFile() && !stats.isDirectory()) {
    return { kind: 'unreadable', reason: 'it is not a regular file' };
  }
  return readTextFile(path, maxBytes);
}

/** Changes with every write, rename and change of permissions. */
async function signatureOf(path: string): Promise<string> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

function createHint() {
  let given = false;
  let wake: (() => void) | undefined;
  return {
    give: (): void => {
      given = true;
      wake?.();
    },
    take: (): void => {
      given = false;
    },
    /** Until a hint is given, the time is up or the signal fires. */
    async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
      if (given || signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = (): void => resolve();
      const timer = setTimeout(stop, timeoutMs);
      signal.addEventListener('abort', stop);
      wake = stop;
      await promise;
      wake = undefined;
      signal.removeEventListener('abort', stop);
      clearTimeout(timer);
    },
  };
}

/** False when the signal fired first. */
async function pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
  return sleep(durationMs, true, { signal }).catch(() => false);
}
