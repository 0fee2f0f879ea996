/** The last good configuration and labels in the state folder, for a start without the API server or beside a configuration that is refused. */

import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../core/failure.ts';
import { type LastGood, type LastGoodContent, parseLastGood, toLastGoodText } from '../core/last-good.ts';
import type { Logger } from '../core/logger.ts';
import { createStateFile } from './state-file.ts';

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

/** Between two writes: a Node may change with every heartbeat. */
const writeGapMs = 5_000;
/** After a write that failed. */
const retryMs = 30_000;

/** Saves what it is given last, soon and seldom. Writing never overlaps itself, and what cannot be written is tried again. */
export class LastGoodKeeper {
  readonly #store: LastGoodStore;
  readonly #log: Logger;
  #wanted: LastGoodContent | undefined;
  #saved: LastGoodContent | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(store: LastGoodStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** What is on disk already need not be written. */
  startFrom({ nodeName, namespace, main, teams, node }: LastGood): void {
    this.#saved = { nodeName, namespace, main, teams, node };
  }

  keep(content: LastGoodContent): void {
    this.#wanted = content;
    if (this.#hasFailed && this.#timer !== undefined) return;
    this.#schedule(this.#savedAt + writeGapMs - performance.now());
  }

  /** What is wanted is on disk, or cannot be written, which has been said. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#write();
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined || !this.#isWanting()) return;
    this.#timer = setTimeout(() => void this.#write(), Math.max(0, delayMs));
    // Nothing lives on for it: who stops flushes.
    this.#timer.unref();
  }

  #isWanting(): boolean {
    return this.#wanted !== undefined && !isDeepStrictEqual(this.#wanted, this.#saved);
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const content = this.#wanted;
    if (content === undefined || !this.#isWanting()) return;
    this.#writing = this.#save(content);
    await this.#writing;
    this.#writing = undefined;
    this.#schedule(this.#hasFailed ? retryMs : writeGapMs);
  }

  async #save(content: LastGoodContent): Promise<void> {
    this.#savedAt = performance.now();
    try {
      await this.#store.save({ savedAt: Date.now(), ...content });
      this.#saved = content;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) {
        this.#log.warn({ error: errorMessage(error) }, 'the last good configuration cannot be written; trying again');
      }
      this.#hasFailed = true;
    }
  }
}
