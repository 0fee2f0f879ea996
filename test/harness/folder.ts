/**
 * A private folder for one daemon, and the promise that nothing of it stays. A small shell script of our own (the reaper)
 * waits for the end of a pipe: `remove()` closes it, and so does the end of this process however it ends, SIGKILL included.
 * Then the reaper kills every process that was started in the folder, and removes the folder and its cgroups.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The environment variable by which the reaper knows the processes of a folder. Its value is the folder's name. */
export const folderMark = 'STEVEDORE_TEST_FOLDER';

/** A unix socket's path has at most 107 bytes; this much is left for its name below the folder. */
const longestFolderPath = 60;

export interface Folder {
  readonly path: string;
  /** Unique on this machine: also names cgroups. */
  readonly name: string;
  /** Kills what still runs in the folder, unmounts, removes. Safe to call twice. */
  remove(): Promise<void>;
}

/** @param prefix a few letters, for whoever looks into the temporary folder while tests run */
export async function makeFolder(prefix: string): Promise<Folder> {
  const path = await mkdtemp(join(await shortTemporaryFolder(), `${prefix}-`));
  const name = basename(path);
  const script = fileURLToPath(new URL('reaper.sh', import.meta.url));
  // Detached: Ctrl-C goes to the terminal's whole process group, and the reaper has to outlive it.
  const reaper = spawn('/bin/sh', [script, path], { detached: true, stdio: ['pipe', 'ignore', 'pipe'], cwd: '/' });
  let complaint = '';
  reaper.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const done = once(reaper, 'close');
  await once(reaper, 'spawn');
  reaper.unref();
  for (const stream of [reaper.stdin, reaper.stderr]) if ('unref' in stream) (stream as { unref(): void }).unref();
  const remove = async (): Promise<void> => {
    reaper.ref();
    reaper.stdin.end();
    await done;
    if (reaper.exitCode !== 0) throw new Error(`the folder ${path} could not be removed: ${complaint.trim()}`);
  };
  return { path, name, remove };
}

async function shortTemporaryFolder(): Promise<string> {
  const path = await realpath(tmpdir());
  return path.length > longestFolderPath ? '/tmp' : path;
}
