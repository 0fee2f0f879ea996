/** A node for runs of the real agent: a private daemon, on a small disk where asked for, a registry, and other clients' doings. */

import { type Containerd, pauseImage, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type BuiltImage, type BuiltLayer, buildImage, busyboxImage, busyboxLayer } from '../harness/images.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import type { SmallDisk } from '../harness/small-disk.ts';
import { type AgentFolder, agentFolder } from '../integration/running-agent.ts';

export type Kind = 'containerd' | 'docker';

export interface SoakImage {
  /** What the run calls it. */
  readonly key: string;
  /** `HOST/soak/KEY:1` */
  readonly tag: string;
  /** `HOST/soak/KEY@sha256:…` */
  readonly digestName: string;
  readonly built: BuiltImage;
}

export interface SoakNode {
  readonly kind: Kind;
  readonly daemon: Containerd | Dockerd;
  readonly registry: TestRegistry;
  readonly folder: Folder;
  readonly files: AgentFolder;
  /** Of every command of the agent. */
  readonly options: readonly string[];
  push(key: string, layers: readonly BuiltLayer[], labels?: Readonly<Record<string, string>>): Promise<SoakImage>;
  /** As somebody else's client pulls it. */
  pull(name: string): Promise<void>;
  tag(source: string, target: string): Promise<void>;
  create(name: string): Promise<string>;
  remove(): Promise<void>;
}

export async function startSoakNode(kind: Kind, disk?: SmallDisk): Promise<SoakNode> {
  const folder = await makeFolder('stv-s');
  const registry = await startRegistry();
  const options = disk === undefined ? {} : { disk };
  const daemon = kind === 'docker' ? await startDockerd(options) : await startContainerd(options);
  const files = agentFolder(folder.path);
  await files.setLabels('zone=a');
  if (!('docker' in daemon)) await daemon.load(busyboxImage(), pauseImage);
  const base = busyboxLayer();
  let created = 0;
  return {
    kind,
    daemon,
    registry,
    folder,
    files,
    options: files.options({ kind, endpoint: daemon.endpoint }),
    async push(key, layers, labels = {}) {
      const built = buildImage({ layers: [base, ...layers], entrypoint: ['/bin/sleep', '3600'], labels });
      const { reference, digestReference } = await registry.push(`soak/${key}`, '1', built);
      return { key, tag: reference, digestName: digestReference, built };
    },
    async pull(name) {
      if ('docker' in daemon) await daemon.docker('pull', '--quiet', name);
      else await daemon.ctr('images', 'pull', '--plain-http', name);
    },
    async tag(source, target) {
      if ('docker' in daemon) await daemon.docker('tag', source, target);
      else await daemon.ctr('images', 'tag', source, target);
    },
    async create(name) {
      if ('docker' in daemon) return daemon.docker('create', '--network', 'none', name);
      created += 1;
      await daemon.ctr('containers', 'create', name, `created-${created}`);
      return `created-${created}`;
    },
    async remove() {
      await daemon.remove();
      await registry.remove();
      await folder.remove();
    },
  };
}

/** The configuration of a run, with ages of nothing: only the disk decides. */
export function toSoakConfig(
  { registry }: SoakNode,
  desired: readonly string[],
  prune: string,
  prefetch = '{ concurrency: 2 }',
): string {
  return (
    `registries: [{ host: "${registry.host}", plainHTTP: true }]\n` +
    `imageSets: [{ name: soak, images: ${JSON.stringify(desired)} }]\n` +
    `prefetch: ${prefetch}\nprune: { minimumAge: 0s, spaceGrace: 0s, unusedFor: 30d, jitter: 0s, ${prune} }\n`
  );
}
