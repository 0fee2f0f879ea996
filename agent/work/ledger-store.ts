import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { errorMessage, Failure } from '../core/failure.ts';
import { type Ledger, parseLedger, toLedgerText } from '../core/ledger.ts';
import type { Logger } from '../core/logger.ts';

const fileName = 'ledger.json';

export interface LedgerStore {
  /** Undefined where there is none, or none that can be read: such a one is kept aside and said aloud. @throws Failure `other` */
  load(): Promise<Ledger | undefined>;
  /** On disk when it returns, or the old one still is. @throws Failure `other` */
  save(ledger: Ledger): Promise<void>;
}

/** The ledger file in the state folder, whose lock the caller holds. */
export function createLedgerStore(stateDir: string, log: Logger): LedgerStore {
  const path = join(stateDir, fileName);

  /** Those that a kill left between writing and renaming. */
  async function removeTemporaryFiles(): Promise<void> {
    for (const name of await readdir(stateDir)) {
      if (/^ledger\.json\.\d+$/.test(name)) await rm(join(stateDir, name), { force: true });
    }
  }

  return {
    load: async () => {
      try {
        await removeTemporaryFiles();
        const text = await readIfThere(path);
        if (text === undefined) return undefined;
        const parsed = parseLedger(text);
        if (parsed.ok) return parsed.ledger;
        const aside = `${path}.unreadable-${new Date().toISOString().replaceAll(':', '')}`;
        await rename(path, aside);
        log.error(
          { ledger: path, keptAs: aside, error: parsed.why },
          'the usage ledger cannot be read and is set aside: last use is observed anew, and nothing is old before a full prune.unusedFor has been watched',
        );
        return undefined;
      } catch (error) {
        throw toFailure(error, path, 'read');
      }
    },

    save: async (ledger) => {
      try {
        await writeFileAtomic(path, toLedgerText(ledger), { mode: 0o600, fsync: true });
        await syncFolder(stateDir);
      } catch (error) {
        throw toFailure(error, path, 'written');
      }
    },
  };
}

/** For whoever only looks: reads, keeps nothing aside and saves nothing. */
export function createLedgerReader(stateDir: string): LedgerStore {
  const path = join(stateDir, fileName);
  return {
    load: async () => {
      const text = await readIfThere(path).catch((error: unknown) => {
        throw toFailure(error, path, 'read');
      });
      const parsed = text === undefined ? undefined : parseLedger(text);
      if (parsed?.ok === false) throw toFailure(new Error(parsed.why), path, 'read');
      return parsed?.ledger;
    },
    save: async () => undefined,
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

/** A rename is durable only when its folder is (fsync(2), "Calling fsync() does not necessarily ensure …"). */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function toFailure(cause: unknown, path: string, verb: 'read' | 'written'): Failure {
  return new Failure('other', `the usage ledger ${path} cannot be ${verb}: ${errorMessage(cause)}`, { cause });
}
