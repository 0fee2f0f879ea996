/** The last good configuration and labels in the state folder, for a start without the API server or beside a configuration that is refused. */

import { type LastGood, type LastGoodContent, parseLastGood, toLastGoodText } from '../core/last-good.ts';
import type { Logger } from '../core/logger.ts';
import { createKeptFile, createKeptFileReader, type KeptFile, type KeptFormat } from './kept-file.ts';
import { StateKeeper } from './state-keeper.ts';

export type LastGoodStore = KeptFile<LastGood>;

const format: KeptFormat<LastGood> = {
  fileName: 'last-good.json',
  what: 'the last good configuration',
  parse: (text) => {
    const parsed = parseLastGood(text);
    if (parsed.ok) return parsed.lastGood;
    throw new Error(parsed.why);
  },
  toText: toLastGoodText,
};

/** The file in the state folder, whose lock the caller holds. One that cannot be read is kept aside. */
export function createLastGoodStore(stateDir: string, log: Logger): LastGoodStore {
  return createKeptFile(stateDir, format, log);
}

/** For whoever only looks: keeps nothing aside and saves nothing. */
export function createLastGoodReader(stateDir: string, log: Logger): LastGoodStore {
  return createKeptFileReader(stateDir, format, log);
}

export type LastGoodKeeper = StateKeeper<LastGoodContent>;

export function createLastGoodKeeper(store: LastGoodStore, log: Logger): LastGoodKeeper {
  const save = (content: LastGoodContent): Promise<void> => store.save({ savedAt: Date.now(), ...content });
  return new StateKeeper({ save, what: format.what, log });
}
