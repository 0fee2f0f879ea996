import { constants, type Stats } from 'node:fs';
import { access, chmod, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage, Failure } from '../core/failure.ts';

/** The agent's one folder, held by this process alone until it is closed or the process ends, however it ends. */
export interface StateFolder {
  readonly path: string;
  close(): void;
}

/** SQLite's result code for "database is locked"; extended codes carry it in the low byte. */
const sqliteBusy = 5;

/**
 * Creates the folder (mode 0700) where it is missing and takes its lock: an advisory lock of the operating system on the file
 * `lock`, which dies with its holder (also by SIGKILL) and holds across containers that mount the same folder. Node has no
 * call for such locks but through SQLite, whose exclusive transaction is one.
 *
 * @throws Failure `other`: detail `state_folder_in_use` when another process holds it, no detail when it cannot be used
 */
export async function openStateFolder(path: string): Promise<StateFolder> {
  // Only who takes a lock pays for SQLite's memory.
  const { DatabaseSync } = await import('node:sqlite');
  const lockFile = join(path, 'lock');
  let database: InstanceType<typeof DatabaseSync> | undefined;
  try {
    await makeFolder(path);
    // SQLite does not say why it cannot open a file.
    await access(path, constants.W_OK);
    database = new DatabaseSync(lockFile, { timeout: 0 });
    // Nothing is ever written, and a journal file would stay behind after a kill. (SQLite's defensive mode, which Node sets,
    // ignores `OFF`.)
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    // By path: opening and closing the file once more in this process would drop the lock (fcntl(2), "record locks").
    await chmod(lockFile, 0o600);
  } catch (error) {
    database?.close();
    throw toStateFolderFailure(error, path);
  }
  const held = database;
  return {
    path,
    close: () => {
      if (held.isOpen) held.close();
    },
  };
}

/** Not Node's recursive mkdir: that takes a read-only filesystem for a missing folder, and never returns below /proc (Node 24). */
async function makeFolder(path: string): Promise<void> {
  const parent = dirname(path);
  if (parent !== path && (await statIfThere(parent)) === undefined) await makeFolder(parent);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST') || (await statIfThere(path))?.isDirectory() !== true) throw error;
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function toStateFolderFailure(cause: unknown, path: string): Failure {
  const { errcode } = cause as { errcode?: unknown };
  if (typeof errcode === 'number' && (errcode & 0xff) === sqliteBusy) {
    const message = `the state folder ${path} is in use by another stevedore process`;
    return new Failure('other', message, { detail: 'state_folder_in_use', cause });
  }
  return new Failure('other', `the state folder ${path} cannot be used: ${errorMessage(cause)}`, { cause });
}
