/** What must hold of the ledger on disk, whenever its writer was killed. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLedger } from '../../agent/core/ledger.ts';

/** Clocks are read at different moments. */
const slackMs = 1_000;

export interface LedgerVerdict {
  readonly wrong: readonly string[];
  /** Image id of a removal that had begun and not ended. */
  readonly cutRemoval: string | undefined;
}

/** @param startedAt when the first agent of this state folder was started, epoch ms: nothing can have been watched for longer */
export async function judgeLedger(stateDir: string, startedAt: number): Promise<LedgerVerdict> {
  const text = await readFile(join(stateDir, 'ledger.json'), 'utf8').catch(() => undefined);
  // A kill may come before the first save.
  if (text === undefined) return { wrong: [], cutRemoval: undefined };
  const parsed = parseLedger(text);
  if (!parsed.ok) return { wrong: [`the ledger cannot be read: ${parsed.why}`], cutRemoval: undefined };
  const wrong: string[] = [];
  const elapsedMs = Date.now() - startedAt + slackMs;
  // As it was written: reading it mends times that lie ahead.
  const { watchMs, images } = JSON.parse(text) as {
    readonly watchMs: number;
    readonly images: Readonly<Record<string, { readonly lastUsedWatchMs: number; readonly knownSinceWatchMs: number }>>;
  };
  if (watchMs > elapsedMs) wrong.push(`watched ${watchMs} ms of ${elapsedMs}`);
  for (const [id, { lastUsedWatchMs, knownSinceWatchMs }] of Object.entries(images)) {
    const times = `last used at ${lastUsedWatchMs}, known since ${knownSinceWatchMs}, watched ${watchMs} ms`;
    if (lastUsedWatchMs > watchMs || knownSinceWatchMs > watchMs) wrong.push(`${id} lies ahead: ${times}`);
    if (lastUsedWatchMs < 0 || knownSinceWatchMs < 0) wrong.push(`${id} is older than the watch: ${times}`);
  }
  return { wrong, cutRemoval: parsed.ledger.removal?.imageId };
}
