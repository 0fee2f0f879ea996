/** Whether the runtime keeps images on a disk of the node. */

import type { Tell } from '../core/doctor-report.ts';
import type { HostFiles } from './host-files.ts';

const networkFilesystems: ReadonlySet<string> = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'smbfs',
  'ceph',
  'glusterfs',
  'lustre',
  'afs',
  '9p',
  'beegfs',
  'gpfs',
  'fuse.glusterfs',
  'fuse.sshfs',
  'fuse.s3fs',
]);

/** Reads the mounts of the host's first process, below which the store's folder is. */
export async function checkContentStore(files: HostFiles, root: string, tell: Tell): Promise<void> {
  const check = 'content_store' as const;
  const mounts = await files.read('/proc/1/mounts');
  if (mounts === undefined) {
    tell({ check, level: 'not_checked', subject: root, message: "the host's /proc is not below --host-root" });
    return;
  }
  const type = findFilesystem(mounts, root);
  if (type === undefined) {
    tell({ check, level: 'not_checked', subject: root, message: 'its filesystem is not among the mounts' });
  } else if (networkFilesystems.has(type)) {
    tell({
      check,
      level: 'failure',
      subject: root,
      message: `lies on a network filesystem (${type}): runtimes lose blobs there when nodes share it, and overlayfs does not work on it`,
      advice: 'keep the store on a local disk',
    });
  } else tell({ check, level: 'ok', subject: root, message: `lies on ${type}` });
}

/** Of the longest mount point that the path is below; of two on one point the later counts. */
function findFilesystem(mounts: string, path: string): string | undefined {
  let best: { readonly point: string; readonly type: string } | undefined;
  for (const line of mounts.split('\n')) {
    const [, written = '', type = ''] = line.split(' ');
    const point = written.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
    if (point !== '' && isAbove && point.length >= (best?.point.length ?? 0)) best = { point, type };
  }
  return best?.type;
}
