import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, Failure } from '../core/failure.ts';

/** The agent's files, with what a kill leaves of one (`.123`) and what is set aside as unreadable. */
const ownFile = /^(?:(?:ledger|last-good|gate|resolved)\.json(?:\.\d+|\.unreadable-.+)?|control\.sock)$/;
/** Made first and removed last: where it is missing, no agent has ever had its state. */
const lockFile = 'lock';

/** Whether the folder is an agent's; its names alone would not tell. */
export async function isStateFolder(path: string): Promise<boolean> {
  return (await lstat(join(path, lockFile)).catch(() => undefined))?.isFile() === true;
}

/**
 * Removes what the agent has written there and nothing else, and the folder when it is empty then and no mount point. The caller holds the lock.
 * @returns how many files
 * @throws Failure `other`, once all were tried; the lock stays then, so that the next try knows the folder
 */
export async function removeState(path: string): Promise<number> {
  if (!(await isStateFolder(path))) return 0;
  const names = (await readdir(path)).filter((name) => ownFile.test(name));
  const failures: unknown[] = [];
  const remove = async (name: string): Promise<void> => {
    await rm(join(path, name), { force: true }).catch((error: unknown) => failures.push(error));
  };
  for (const name of names) await remove(name);
  if (failures.length === 0) await remove(lockFile);
  if (failures.length > 0) {
    throw new Failure('other', `${path}: ${failures.map(errorMessage).join('; ')}`, { cause: failures[0] });
  }
  // Others' files, a mount point, or a parent that may not be written: it stays.
  await rmdir(path).catch(() => undefined);
  return names.length + 1;
}
