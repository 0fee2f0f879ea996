import { errorMessage } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { createStateFile } from './state-file.ts';

export interface KeptFile<Loaded, Saved = Loaded> {
  /** Undefined where there is nothing, or nothing that can be read, which is said aloud. Never rejects. */
  load(): Promise<Loaded | undefined>;
  /** On disk when it returns, or the old one still is. @throws whatever the filesystem refuses */
  save(content: Saved): Promise<void>;
}

export interface KeptFormat<Loaded, Saved = Loaded> {
  readonly fileName: string;
  /** For messages: `the last good configuration`. */
  readonly what: string;
  /** @throws Error that says what is wrong with it */
  readonly parse: (text: string) => Loaded;
  readonly toText: (content: Saved) => string;
}

/** What an agent can begin without, in the state folder, whose lock the caller holds. A file that cannot be read is kept aside. */
export function createKeptFile<Loaded, Saved>(
  stateDir: string,
  { fileName, what, parse, toText }: KeptFormat<Loaded, Saved>,
  log: Logger,
): KeptFile<Loaded, Saved> {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        await file.removeTemporaryFiles();
        const text = await file.read();
        if (text === undefined) return undefined;
        try {
          return parse(text);
        } catch (error) {
          const keptAs = await file.setAside();
          log.error({ file: file.path, keptAs, error: errorMessage(error) }, `${what} cannot be read and is set aside`);
        }
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, `${what} cannot be read`);
      }
      return undefined;
    },
    save: (content) => file.write(toText(content)),
  };
}

/** For whoever only looks: keeps nothing aside and saves nothing. */
export function createKeptFileReader<Loaded, Saved>(
  stateDir: string,
  { fileName, what, parse }: KeptFormat<Loaded, Saved>,
  log: Logger,
): KeptFile<Loaded, Saved> {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        const text = await file.read();
        return text === undefined ? undefined : parse(text);
      } catch (error) {
        log.error({ file: file.path, error: errorMessage(error) }, `${what} cannot be read`);
        return undefined;
      }
    },
    save: async () => undefined,
  };
}
