/** Files of the host, below the folder where its root is mounted. */

import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

export interface HostFiles {
  /** Undefined: there is no such file. @throws what the system throws for any other reason */
  read(path: string): Promise<string | undefined>;
  /** Names in a folder; undefined: there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  exists(path: string): Promise<boolean>;
}

const maxBytes = 1024 * 1024;
const maxLinks = 20;

/** Links are followed as the host itself would: an absolute one begins at the host's root, and none leads out of it. */
export function createHostFiles(root: string): HostFiles {
  async function locate(path: string): Promise<string | undefined> {
    let rest = path.split('/').filter((part) => part !== '');
    let at = '/';
    for (let links = 0; rest.length > 0; ) {
      const [next = '', ...more] = rest;
      rest = more;
      const candidate = resolve(at, next);
      const found = await lstat(join(root, candidate)).catch(ignoreMissing);
      if (found === undefined) return undefined;
      if (!found.isSymbolicLink()) {
        at = candidate;
        continue;
      }
      links += 1;
      if (links > maxLinks) return undefined;
      const target = await readlink(join(root, candidate));
      rest = [
        ...resolve(dirname(candidate), target)
          .split('/')
          .filter((part) => part !== ''),
        ...rest,
      ];
      at = '/';
    }
    return join(root, at);
  }

  return {
    async read(path) {
      const file = await locate(path);
      if (file === undefined) return undefined;
      const found = await lstat(file);
      if (!found.isFile()) return undefined;
      // What the kernel makes up (/proc) has no size of its own.
      if (found.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
      return await readFile(file, 'utf8');
    },
    async list(path) {
      const folder = await locate(path);
      if (folder === undefined || !(await lstat(folder)).isDirectory()) return undefined;
      return await readdir(folder);
    },
    exists: async (path) => (await locate(path)) !== undefined,
  };
}

function ignoreMissing(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}
