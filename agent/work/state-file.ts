/** One small file in the state folder, whose lock the caller holds. */

import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';

/** Whatever the filesystem refuses is thrown as it is. */
export interface StateFile {
  readonly path: string;
  /** Undefined: there is none. */
  read(): Promise<string | undefined>;
  /** For its owner alone; on disk when it returns, or the old one still is. */
  write(text: string): Promise<void>;
  /** Renames it, so that a new one takes its place. @returns its path now */
  setAside(): Promise<string>;
  /** Nothing where there is none. */
  remove(): Promise<void>;
  /** Those that a kill left between writing and renaming. */
  removeTemporaryFiles(): Promise<void>;
}

export function createStateFile(stateDir: string, name: string): StateFile {
  const path = join(stateDir, name);
  return {
    path,
    read: async () => {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
          return undefined;
        throw error;
      }
    },
    write: async (text) => {
      await writeFileAtomic(path, text, { mode: 0o600, fsync: true });
      await syncFolder(stateDir);
    },
    setAside: async () => {
      const aside = `${path}.unreadable-${new Date().toISOString().replaceAll(':', '')}`;
      await rename(path, aside);
      return aside;
    },
    remove: () => rm(path, { force: true }),
    removeTemporaryFiles: async () => {
      for (const entry of await readdir(stateDir)) {
        if (entry.startsWith(`${name}.`) && /^\d+$/.test(entry.slice(name.length + 1))) {
          await rm(join(stateDir, entry), { force: true });
        }
      }
    },
  };
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
