/** The runtimes that are measured: private daemons, driven without the agent where they are the rival. */

import { startContainerd } from '../harness/containerd.ts';
import { startDockerd } from '../harness/dockerd.ts';
import type { SmallDisk } from '../harness/small-disk.ts';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { cri, criPackage } from '../../agent/runtime/cri/cri-protocol.ts';
import {
  containerdPackages,
  content,
  images,
  leases,
  snapshots,
} from '../../agent/runtime/containerd/containerd-protocol.ts';
import { createDockerClient } from '../../agent/runtime/docker/docker-client.ts';
import { createGrpcClient } from '../../agent/runtime/grpc/client.ts';
import { mergePackages } from '../../agent/runtime/grpc/descriptor.ts';
import type { BenchRuntimeKind } from './settings.ts';

export interface BenchRuntime {
  readonly kind: BenchRuntimeKind;
  readonly version: string;
  readonly endpoint: string;
  /** On the image filesystem. */
  readonly root: string;
  readonly pid: number;
  /** One pull as any client of the runtime does it: CRI PullImage without a lease, or POST /images/create. */
  pull(reference: string, signal: AbortSignal): Promise<void>;
  /** Tags of the images that are there. */
  listTags(): Promise<readonly string[]>;
  /** Removes every image. @throws Error when a blob, layer or image is left after 60 s */
  wipe(): Promise<void>;
  createContainer(reference: string, name: string): Promise<void>;
  remove(): Promise<void>;
}

const longMs = 300_000;
const wipeTimeoutMs = 60_000;

/** @param disk undefined: the images are on the machine's own filesystem */
export function startRuntime(kind: BenchRuntimeKind, disk?: SmallDisk): Promise<BenchRuntime> {
  const options = disk === undefined ? {} : { disk };
  return kind === 'docker' ? startDocker(options) : startContainerdRuntime(options);
}

interface RuntimeOptions {
  readonly disk?: SmallDisk;
}

async function startContainerdRuntime(options: RuntimeOptions): Promise<BenchRuntime> {
  const daemon = await startContainerd(options);
  const client = createGrpcClient(daemon.endpoint, mergePackages([criPackage, containerdPackages]), {
    'containerd-namespace': 'k8s.io',
  });
  const never = new AbortController().signal;
  const deadlineMs = longMs;

  async function countLeft(): Promise<number> {
    let left = (await client.unary(images.list, { filters: [] }, never)).images.length;
    left += (await client.unary(content.listStatuses, { filters: [] }, never)).statuses.length;
    for await (const { info } of client.stream(content.list, { filters: [] }, never)) left += info.length;
    const all = { snapshotter: 'overlayfs', filters: [] };
    for await (const { info } of client.stream(snapshots.list, all, never)) left += info.length;
    return left;
  }

  async function removeAll(): Promise<void> {
    for (const { name } of (await client.unary(images.list, { filters: [] }, never)).images)
      await client.unary(images.delete, { name, sync: false }, never, { deadlineMs });
    // Deleting a lease with `sync` returns after a run of the collector, whatever the lease held.
    await client.unary(leases.create, { id: 'bench', labels: {} }, never);
    for (const { id } of (await client.unary(leases.list, { filters: [] }, never)).leases)
      await client.unary(leases.delete, { id, sync: true }, never, { deadlineMs });
  }

  return {
    kind: 'containerd',
    version: daemon.version,
    endpoint: daemon.endpoint,
    root: daemon.root,
    get pid() {
      return daemon.pid;
    },
    async pull(reference, signal) {
      await client.unary(cri.pullImage, { image: { image: reference } }, signal, { deadlineMs: 'none' });
    },
    async listTags() {
      const answer = await client.unary(cri.listImages, {}, never);
      return answer.images.flatMap(({ repo_tags }) => repo_tags);
    },
    wipe: () => untilNothingLeft(countLeft, removeAll),
    async createContainer(reference, name) {
      await daemon.ctr('containers', 'create', reference, name);
    },
    async remove() {
      client.close();
      await daemon.remove();
    },
  };
}

interface DockerImage {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
}

async function startDocker(options: RuntimeOptions): Promise<BenchRuntime> {
  const daemon = await startDockerd(options);
  const client = createDockerClient(daemon.socket);
  const never = new AbortController().signal;
  const list = async (): Promise<readonly DockerImage[]> =>
    (await client.call({ method: 'GET', path: '/images/json' }, longMs, never)) as readonly DockerImage[];

  async function countLeft(): Promise<number> {
    const folders = await readdir(join(daemon.root, 'overlay2'));
    return (await list()).length + folders.filter((name) => name !== 'l').length;
  }

  async function removeAll(): Promise<void> {
    for (const { Id } of await list())
      await client.call({ method: 'DELETE', path: `/images/${Id}`, query: { force: '1' } }, longMs, never);
  }

  return {
    kind: 'docker',
    version: daemon.version,
    endpoint: daemon.endpoint,
    root: daemon.root,
    get pid() {
      return daemon.pid;
    },
    async pull(reference, signal) {
      const at = reference.lastIndexOf(':');
      const query = { fromImage: reference.slice(0, at), tag: reference.slice(at + 1) };
      const answer = await text(await client.open({ method: 'POST', path: '/images/create', query }, signal));
      if (answer.includes('"errorDetail"')) throw new Error(`docker did not pull ${reference}: ${answer.slice(-300)}`);
    },
    async listTags() {
      return (await list()).flatMap(({ RepoTags }) => RepoTags ?? []);
    },
    wipe: () => untilNothingLeft(countLeft, removeAll),
    async createContainer(reference, name) {
      await daemon.docker('create', '--network', 'none', '--name', name, reference);
    },
    async remove() {
      client.close();
      await daemon.remove();
    },
  };
}

async function untilNothingLeft(countLeft: () => Promise<number>, removeAll: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + wipeTimeoutMs;
  for (let left = await countLeft(); left > 0; left = await countLeft()) {
    if (performance.now() > deadline)
      throw new Error(`${left} images, blobs and layers are left after a removal of all`);
    await removeAll();
    await sleep(100);
  }
}
