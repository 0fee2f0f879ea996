/** A small filesystem of its own for a daemon's root: an ext4 in a file, loop-mounted. Needs root. */

import { mkdir, statfs, truncate, writeFile } from 'node:fs/promises';
import { runTool } from './process.ts';

export interface SmallDisk {
  readonly sizeBytes: number;
  /** Default: as mkfs.ext4 chooses, one for 16 KiB or fewer. */
  readonly inodes?: number;
  /** Default: as mkfs.ext4 chooses, 1 KiB below 512 MB; nodes have 4 KiB. */
  readonly blockBytes?: number;
}

export interface DiskFigures {
  readonly sizeBytes: number;
  /** What an unprivileged user may still write. */
  readonly availBytes: number;
  readonly files: number;
  readonly filesFree: number;
  /** One minus what is available over the size, as the kubelet counts it. */
  readonly usedRatio: number;
}

/** Makes the filesystem in `PATH.img` and mounts it on the new folder `path`. The reaper of the folder around it unmounts it. */
export async function mountSmallDisk(path: string, { sizeBytes, inodes, blockBytes }: SmallDisk): Promise<void> {
  const file = `${path}.img`;
  await writeFile(file, '');
  await truncate(file, sizeBytes);
  const count = inodes === undefined ? [] : ['-N', String(inodes)];
  const blocks = blockBytes === undefined ? [] : ['-b', String(blockBytes)];
  // Small groups get small journals; what mkfs would leave to the kernel is written now, so that the figures stand still.
  const steady = ['-E', 'lazy_itable_init=0,lazy_journal_init=0'];
  await runTool('mkfs.ext4', ['-q', '-F', ...steady, ...count, ...blocks, file], { env: withSystemFolders() });
  await mkdir(path);
  await runTool('mount', ['-o', 'loop,nodiscard', file, path], { env: withSystemFolders() });
}

/** The filesystem's own figures, after everything written has reached it. */
export async function readDisk(path: string): Promise<DiskFigures> {
  await runTool('sync', ['--file-system', path]);
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  const [sizeBytes, availBytes] = [blocks * bsize, bavail * bsize];
  return { sizeBytes, availBytes, files, filesFree: ffree, usedRatio: 1 - availBytes / sizeBytes };
}

/** A user's path may lack the folders of mkfs and mount. */
function withSystemFolders(): { readonly PATH: string } {
  return { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}
