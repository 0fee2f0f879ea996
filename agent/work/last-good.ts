/** The last good configuration and labels in the state folder, for a start without the API server or beside a configuration that is refused. */

import { errorMessage } from '../core/failure.ts';
import { type LastGood, type LastGoodContent, parseLastGood, toLastGoodText } from '../core/last-good.ts';
import type { Logger } from '../core/logger.ts';
import { createStateFile } from './state-file.ts';
import { StateKeeper } from './state-keeper.ts';

const fileName = 'last-good.json';

export interface LastGoodStore {
  /** Undefined where there is none, or none that can be read, which is said aloud. Never rejects. */
  load(): Promise<LastGood | undefined>;
  /** On disk when it returns, or the old one still is. @throws whatever the filesystem refuses */
  save(lastGood: LastGood): Promise<void>;
}

/** The file in the state folder, whose lock the caller holds. One that cannot be read is kept aside. */
export function createLastGoodStore(stateDir: string, log: Logger): LastGoodStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        await file.removeTemporaryFiles();
        const text = await file.read();
        const parsed = text === undefined ? undefined : parseLastGood(text);
        if (parsed?.ok !== false) return parsed?.lastGood;
        const keptAs = await file.setAside();
        log.error(
          { file: file.path, keptAs, error: parsed.why },
          'the last good configuration cannot be read and is set aside',
        );
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, 'the last good configuration cannot be read');
      }
      return undefined;
    },
    save: (lastGood) => file.write(toLastGoodText(lastGood)),
  };
}

/** For whoever only looks: keeps nothing aside and saves nothing. */
export function createLastGoodReader(stateDir: string, log: Logger): LastGoodStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        const text = await file.read();
        const parsed = text === undefined ? undefined : parseLastGood(text);
        if (parsed?.ok !== false) return parsed?.lastGood;
        throw new Error(parsed.why);
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, 'the last good configuration cannot be read');
        return undefined;
      }
    },
    save: async () => undefined,
  };
}

export type LastGoodKeeper = StateKeeper<LastGoodContent>;

export function createLastGoodKeeper(store: LastGoodStore, log: Logger): LastGoodKeeper {
  const save = (content: LastGoodContent): Promise<void> => store.save({ savedAt: Date.now(), ...content });
  return new StateKeeper({ save, what: 'the last good configuration', log });
}
