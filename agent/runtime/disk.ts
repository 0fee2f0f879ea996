import { statfs } from 'node:fs/promises';

import type { ImageFilesystem } from '../core/node-images.ts';

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
