/** One churned node: a private runtime, a private registry with images that move, and the files that the agent reads. */

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { makeFolder } from '../harness/folder.ts';
import { type BuiltImage, buildLayer, busyboxImage } from '../harness/images.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { agentFolder } from '../integration/running-agent.ts';

export type Kind = 'containerd' | 'docker';

export interface TrackedImage {
  readonly repository: string;
  readonly reference: string;
  /** Equal for twins. */
  readonly content: number;
  readonly megabytes: number;
  version: number;
  /** What the tag points to now. */
  digest: string;
  /** Of every version. */
  readonly built: Map<string, BuiltImage>;
}

/** What the files say, once they are whole again. */
export interface Wanted {
  readonly labels: readonly string[];
  /** By image set: indices of images. */
  readonly sets: Readonly<Record<SetName, readonly number[]>>;
  readonly concurrency: number;
}

export const setNames = ['always', 'gpu', 'zone'] as const;
export type SetName = (typeof setNames)[number];

export interface Node {
  readonly kind: Kind;
  readonly folder: string;
  readonly daemon: Containerd | Dockerd;
  readonly registry: TestRegistry;
  readonly images: readonly TrackedImage[];
  readonly options: readonly string[];
  readonly stateDir: string;
  readonly secrets: readonly string[];
  wanted: Wanted;
  /** Pushes another version and lets the tag point at it. */
  moveTag(image: TrackedImage): Promise<void>;
  write(name: FileName, text: string, inPlace: boolean): Promise<void>;
  /** Nothing, or a folder, where the file was. */
  spoil(name: FileName, how: 'removed' | 'folder'): Promise<void>;
  toConfig(more?: string): string;
  toLabels(): string;
  toCredentials(isRight: boolean): string;
  /** Images of selected sets. */
  desired(): ReadonlyMap<SetName, readonly TrackedImage[]>;
  remove(): Promise<void>;
}

export type FileName = 'config.yaml' | 'labels' | 'credentials.json';

const [user, password, wrongPassword] = ['robot$churn', 'open-sesame-churn', 'wrong-secret-churn'];
/** The last two have the content of the first two: two names of one image, until a tag moves. */
const sizes = [1, 4, 2, 6, 3, 24, 1, 4];
const differentImages = 6;

export async function makeNode(kind: Kind): Promise<Node> {
  const folder = await makeFolder('stv-ch');
  const registry = await startRegistry({ user, password, token: true });
  const daemon = kind === 'docker' ? await startDockerd() : await startContainerd();
  const base = buildLayer({ seed: 'churn base', sizeBytes: 2e6 });
  const files = agentFolder(folder.path);
  const path = (name: FileName): string => join(folder.path, name);
  const images: TrackedImage[] = [];

  const push = async (image: TrackedImage): Promise<void> => {
    const seed = `churn ${image.content} ${image.version}`;
    const built = busyboxImage([base, buildLayer({ seed, sizeBytes: image.megabytes * 1e6 })]);
    const { digest } = await registry.push(image.repository, 'v1', built);
    image.digest = digest;
    image.built.set(digest, built);
  };
  for (const [index, megabytes] of sizes.entries()) {
    const repository = `churn/image-${index}`;
    const reference = `${registry.host}/${repository}:v1`;
    const content = index % differentImages;
    const image = { repository, reference, content, megabytes, version: 1, digest: '', built: new Map() };
    await push(image);
    images.push(image);
  }

  const node: Node = {
    kind,
    folder: folder.path,
    daemon,
    registry,
    images,
    options: files.options({ kind, endpoint: daemon.endpoint }),
    stateDir: files.stateDir,
    secrets: [password, wrongPassword],
    wanted: { labels: ['zone=a'], sets: { always: [0, 1], gpu: [2, 5], zone: [3] }, concurrency: 2 },
    async moveTag(image) {
      image.version += 1;
      await push(image);
    },
    async write(name, text, inPlace) {
      // A folder may be in the way.
      await rm(path(name), { recursive: true, force: true }).catch(() => undefined);
      if (inPlace) return writeFile(path(name), text);
      await writeFile(`${path(name)}.new`, text);
      await rename(`${path(name)}.new`, path(name));
    },
    async spoil(name, how) {
      await rm(path(name), { recursive: true, force: true });
      if (how === 'folder') await mkdir(path(name));
    },
    toConfig: (more = '') => toConfig(node, path('credentials.json'), more),
    toLabels: () => `# the node\n${node.wanted.labels.join('\n')}\n`,
    toCredentials: (isRight) =>
      JSON.stringify({ auths: { [registry.host]: { username: user, password: isRight ? password : wrongPassword } } }),
    desired: () => toDesired(node),
    async remove() {
      await daemon.remove();
      await registry.remove();
      await folder.remove();
    },
  };
  return node;
}

const selectors: Readonly<Record<SetName, { readonly label: string; readonly yaml: string }>> = {
  always: { label: '', yaml: '{}' },
  gpu: { label: 'gpu=yes', yaml: '{ matchLabels: { gpu: "yes" } }' },
  zone: { label: 'zone=a', yaml: '{ matchExpressions: [{ key: zone, operator: In, values: [a, b2] }] }' },
};

/** The first set follows moved tags, the others do not. */
export const followsTags = (set: SetName): boolean => set === 'always';

function toConfig({ registry, images, wanted }: Node, credentials: string, more: string): string {
  const sets = setNames.map((name, index) => {
    const listed = wanted.sets[name].map((which) => images[which]?.reference ?? '');
    const policy = followsTags(name) ? '\n    pullPolicy: Always\n    refreshEvery: 10s' : '';
    return `  - name: ${name}\n    priority: ${index}${policy}\n    nodeSelector: ${selectors[name].yaml}\n    images: ${JSON.stringify(listed)}\n`;
  });
  return (
    `registries: [{ host: "${registry.host}", plainHTTP: true }]\ncredentials: ["${credentials}"]\n` +
    `imageSets:\n${sets.join('')}prefetch:\n  concurrency: ${wanted.concurrency}\n  stallTimeout: 10s\n${more}`
  );
}

function toDesired({ images, wanted }: Node): Map<SetName, readonly TrackedImage[]> {
  const selected = setNames.filter(
    (name) => selectors[name].label === '' || wanted.labels.includes(selectors[name].label),
  );
  return new Map(selected.map((name) => [name, wanted.sets[name].flatMap((which) => images[which] ?? [])]));
}
