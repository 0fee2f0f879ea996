import { statfs } from 'node:fs/promises';

import { errorMessage } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { RuntimeInfo } from './runtime.ts';

/**
 * The figures of the filesystem that `path` is on, by statfs(2).
 * @throws the system's error (ENOENT, EACCES, …) when the path cannot be asked.
 */
export async function readImageFilesystem(path: string): Promise<ImageFilesystem> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return {
    mountpoint: path,
    sizeBytes: blocks * bsize,
    availBytes: bavail * bsize,
    files,
    filesFree: ffree,
  };
}

/**
 * Reads the filesystem that holds the images: at `path` where one is given (in a container: a folder mounted from it), else at
 * the folder that the runtime names. Undefined where neither can be asked; that is said once.
 */
export function createFilesystemReader(
  path: string | undefined,
  log: Logger,
): (info: RuntimeInfo) => Promise<ImageFilesystem | undefined> {
  let said: string | undefined;
  return async ({ imageRoot }) => {
    const asked = path ?? imageRoot;
    const problem = (reason: string): undefined => {
      if (said !== reason) {
        const effect = 'no pull waits for the disk, and nothing is pruned for space';
        log.warn({ path: asked, reason }, `the image filesystem cannot be seen: ${effect}`);
      }
      said = reason;
    };
    if (asked === undefined) return problem('the runtime does not say where it keeps images');
    try {
      return await readImageFilesystem(asked);
    } catch (error) {
      return problem(errorMessage(error));
    }
  };
}
