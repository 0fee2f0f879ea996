/** The demo's node: a private containerd or dockerd, where the machine can on a small filesystem of its own. */

import { join } from 'node:path';
import { startContainerd } from '../harness/containerd.ts';
import { startDockerd } from '../harness/dockerd.ts';
import { runTool } from '../harness/process.ts';
import { type DiskFigures, readDisk } from '../harness/small-disk.ts';

export interface DemoNode {
  readonly kind: 'containerd' | 'docker';
  readonly version: string;
  readonly endpoint: string;
  /** Why it stands on the machine's own filesystem, which must not be filled; undefined: it has a small one. */
  readonly noDisk: string | undefined;
  disk(): Promise<DiskFigures>;
  /** Puts a file there that no image explains. */
  writeFile(name: string, bytes: number): Promise<void>;
  /** Every image by the names that people use. */
  listImages(): Promise<string>;
  /** As the kubelet would: without the agent. */
  pull(reference: string): Promise<void>;
  /** A running container. */
  run(reference: string, id: string): Promise<void>;
  stopContainer(id: string): Promise<void>;
  removeContainer(id: string): Promise<void>;
  remove(): Promise<void>;
}

/** Room for all images of the first act, whose unpacked sizes the agent can only estimate; Docker keeps no compressed blobs. */
const sizeBytes = { containerd: 1400e6, docker: 900e6 };

export async function startNode(kind: DemoNode['kind']): Promise<DemoNode> {
  try {
    return await startOn(kind, undefined);
  } catch (error) {
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    // Should it not be the disk that is wrong, it shows again.
    return await startOn(kind, why);
  }
}

async function startOn(kind: DemoNode['kind'], noDisk: string | undefined): Promise<DemoNode> {
  const options = noDisk === undefined ? { disk: { sizeBytes: sizeBytes[kind] } } : {};
  const daemon = kind === 'docker' ? await startDockerd(options) : await startContainerd(options);
  const { root, run, stopContainer, removeContainer, remove } = daemon;
  return {
    kind,
    version: daemon.version,
    endpoint: daemon.endpoint,
    noDisk,
    disk: () => readDisk(root),
    writeFile: async (name, bytes) => {
      await runTool('fallocate', ['--length', String(Math.round(bytes)), join(root, name)]);
    },
    listImages: async () => {
      if ('docker' in daemon) return await daemon.docker('images', '--format', '{{.Repository}}:{{.Tag}}');
      return (await daemon.ctr('images', 'ls', '-q')).replaceAll(/^(?:sha256:|\S+@).*\n/gm, '').trim();
    },
    pull: async (reference) => {
      if ('docker' in daemon) await daemon.docker('pull', '--quiet', reference);
      else await daemon.ctr('images', 'pull', '--plain-http', reference);
    },
    run: async (reference, id) => void (await run(reference, { id })),
    stopContainer,
    removeContainer,
    remove,
  };
}
