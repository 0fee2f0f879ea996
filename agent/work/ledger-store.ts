import { errorMessage, Failure } from '../core/failure.ts';
import { type Ledger, parseLedger, toLedgerText } from '../core/ledger.ts';
import type { Logger } from '../core/logger.ts';
import { createStateFile } from './state-file.ts';

const fileName = 'ledger.json';

export interface LedgerStore {
  /** Undefined where there is none, or none that can be read: such a one is kept aside and said aloud. @throws Failure `other` */
  load(): Promise<Ledger | undefined>;
  /** On disk when it returns, or the old one still is. @throws Failure `other` */
  save(ledger: Ledger): Promise<void>;
}

/** The ledger file in the state folder, whose lock the caller holds. */
export function createLedgerStore(stateDir: string, log: Logger): LedgerStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      try {
        await file.removeTemporaryFiles();
        const text = await file.read();
        if (text === undefined) return undefined;
        const parsed = parseLedger(text);
        if (parsed.ok) return parsed.ledger;
        const keptAs = await file.setAside();
        log.error(
          { ledger: file.path, keptAs, error: parsed.why },
          'the usage ledger cannot be read and is set aside: last use is observed anew, and nothing is old before a full prune.unusedFor has been watched',
        );
        return undefined;
      } catch (error) {
        throw toFailure(error, file.path, 'read');
      }
    },

    save: async (ledger) => {
      try {
        await file.write(toLedgerText(ledger));
      } catch (error) {
        throw toFailure(error, file.path, 'written');
      }
    },
  };
}

/** For whoever only looks: reads, keeps nothing aside and saves nothing. */
export function createLedgerReader(stateDir: string): LedgerStore {
  const file = createStateFile(stateDir, fileName);
  return {
    load: async () => {
      const text = await file.read().catch((error: unknown) => {
        throw toFailure(error, file.path, 'read');
      });
      const parsed = text === undefined ? undefined : parseLedger(text);
      if (parsed?.ok === false) throw toFailure(new Error(parsed.why), file.path, 'read');
      return parsed?.ledger;
    },
    save: async () => undefined,
  };
}

function toFailure(cause: unknown, path: string, verb: 'read' | 'written'): Failure {
  return new Failure('other', `the usage ledger ${path} cannot be ${verb}: ${errorMessage(cause)}`, { cause });
}
