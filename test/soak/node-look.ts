/** What is on a node, as its own client tells: names, what they are made of, and traces of the agent. */

import { toChainIds } from '../../agent/core/layers.ts';
import type { SoakImage, SoakNode } from './soak-node.ts';

export interface NodeLook {
  /** Names of an image, the runtime's own for it included; empty: it is gone. */
  namesOf(image: SoakImage): readonly string[];
  /** Parts that an image lacks of which there is a name; none of what is gone. */
  missingOf(image: SoakImage): readonly string[];
  /** Of the agent. */
  readonly leases: readonly string[];
  /** Names that the agent has pinned, and names that somebody else has. */
  readonly pinned: readonly string[];
  readonly pinnedByOthers: readonly string[];
}

const pin = 'io.cri-containerd.pinned=pinned';

export async function lookAt(node: SoakNode): Promise<NodeLook> {
  return node.kind === 'docker' ? await lookAtDocker(node) : await lookAtContainerd(node);
}

/** Gone or whole, and whole means that a container can be made of it. */
export async function findBroken(node: SoakNode, look: NodeLook, images: readonly SoakImage[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const image of images) {
    const missing = look.missingOf(image);
    if (missing.length > 0) wrong.push(`${image.key} lacks ${missing.join(' ')}`);
    const [name] = look.namesOf(image);
    if (name === undefined || node.kind !== 'docker') continue;
    // Docker tells nothing of an image's layers but by using them.
    await node.create(image.built.configDigest).then(
      (id) => node.daemon.removeContainer(id),
      (error: unknown) => wrong.push(`${image.key} is broken: ${String(error)}`),
    );
  }
  return wrong;
}

async function lookAtContainerd({ daemon }: SoakNode): Promise<NodeLook> {
  if ('docker' in daemon) throw new Error('not containerd');
  const lines = async (...args: string[]): Promise<string[]> =>
    (await daemon.ctr(...args)).split('\n').filter((line) => line !== '');
  const records = (await lines('images', 'ls')).slice(1).map((row) => row.split(/\s+/));
  const blobs = new Set(await lines('content', 'ls', '-q'));
  const snapshots = new Set((await lines('snapshots', 'ls')).map((row) => row.split(/\s+/)[0]));
  const namesOf = ({ built }: SoakImage): string[] =>
    records.flatMap(([name = '', , digest]) => (digest === built.manifestDigest ? [name] : []));
  const isPinned = (row: readonly string[]): boolean => row.some((word) => word.split(',').includes(pin));
  const isOurs = (row: readonly string[]): boolean => row.some((word) => word.includes('stevedore.dev/pinned'));
  const pinned = records.filter(isPinned);
  return {
    namesOf,
    missingOf(image) {
      if (namesOf(image).length === 0) return [];
      const { manifestDigest, configDigest, layers } = image.built;
      const parts = [manifestDigest, configDigest, ...layers.map(({ digest }) => digest)];
      const chain = toChainIds(layers.map(({ diffId }) => diffId));
      return [...parts.filter((part) => !blobs.has(part)), ...chain.filter((part) => !snapshots.has(part))];
    },
    leases: (await lines('leases', 'ls', '-q')).filter((id) => id.startsWith('stevedore-')),
    pinned: pinned.filter(isOurs).map(([name = '']) => name),
    pinnedByOthers: pinned.filter((row) => !isOurs(row)).map(([name = '']) => name),
  };
}

async function lookAtDocker({ daemon }: SoakNode): Promise<NodeLook> {
  if (!('docker' in daemon)) throw new Error('not docker');
  const format = '{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}';
  const listed = await daemon.docker('images', '--all', '--no-trunc', '--digests', '--format', format);
  const rows = listed.split('\n').map((row) => row.split(' '));
  const names = rows.flatMap(([id = '', repository = '', tag = '', digest = '']) => [
    ...(tag === '<none>' ? [] : [{ id, name: `${repository}:${tag}` }]),
    ...(digest === '<none>' || digest === '' ? [] : [{ id, name: `${repository}@${digest}` }]),
  ]);
  const ids = new Set(rows.map(([id = '']) => id));
  return {
    namesOf: ({ built }) => {
      const own = new Set(names.filter(({ id }) => id === built.configDigest).map(({ name }) => name));
      if (own.size > 0) return [...own].toSorted();
      return ids.has(built.configDigest) ? [built.configDigest] : [];
    },
    missingOf: () => [],
    leases: [],
    pinned: [],
    pinnedByOthers: [],
  };
}
