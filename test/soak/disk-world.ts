/** A disk full of images of every kind that pruning tells apart, in a known order of last use. */

import { buildLayer, type BuiltLayer } from '../harness/images.ts';
import { type RunningAgent, until } from '../integration/running-agent.ts';
import type { SoakImage, SoakNode } from './soak-node.ts';

export interface DiskWorld {
  /** What must stay whatever the disk says, with the reason that the plan has to give. */
  readonly protectedImages: ReadonlyMap<SoakImage, string>;
  /** What may go, least recently used first; those of one group came at nearly the same time. */
  readonly unused: readonly (readonly SoakImage[])[];
  /** Of the protected ones: what image sets ask for. */
  readonly desired: readonly string[];
  /** Entries of `prune.keep`. */
  readonly keep: string;
}

export interface LayerMaker {
  (key: string, share?: number): BuiltLayer;
}

/** Layers that take `unitBytes` of disk each: containerd keeps the compressed ones too. */
export function layersOf({ kind }: SoakNode, unitBytes: number): LayerMaker {
  const sizeBytes = kind === 'docker' ? unitBytes : unitBytes / 2;
  return (key, share = 1) => buildLayer({ seed: `soak ${key}`, sizeBytes: Math.round(sizeBytes * share), files: 4 });
}

/** The configuration must not prune yet. Each image is known to the agent before the next comes, so that their order is. */
export async function fillDisk(
  node: SoakNode,
  layer: LayerMaker,
  startWith: (world: DiskWorld) => Promise<RunningAgent>,
): Promise<{ readonly world: DiskWorld; readonly agent: RunningAgent }> {
  const push = (key: string, layers = [layer(key)], labels = {}): Promise<SoakImage> => node.push(key, layers, labels);
  const [common, kept] = [layer('common'), layer('kept common')];
  const running = await push('running');
  const stopped = await push('stopped');
  const created = await push('created');
  const wanted = await push('wanted');
  const wantedByDigest = await push('wanted-by-digest');
  const byGlob = await push('kept-by-glob', [kept, layer('kept-by-glob', 0.2)]);
  const byLabel = await push('kept-by-label', [layer('kept-by-label')], { 'soak.test/keep': 'yes' });
  const pinned = await push('pinned');
  const oldest = await push('oldest');
  const twoNames = await push('two-names');
  const byDigest = await push('by-digest');
  const twin = await push('twin', [common, layer('twin', 0.3)]);
  const otherTwin = await push('other-twin', [common, layer('other-twin', 0.3)]);
  const onKept = await push('on-kept', [kept, layer('on-kept', 0.3)]);
  const usedLately = await push('used-lately');
  const [first, second, third] = [await push('spare-1'), await push('spare-2'), await push('spare-3')];

  const world: DiskWorld = {
    protectedImages: new Map([
      [running, 'in_use'],
      [stopped, 'in_use'],
      [created, 'in_use'],
      [wanted, 'desired'],
      [wantedByDigest, 'desired'],
      [byGlob, 'keep_rule'],
      [byLabel, 'keep_rule'],
      ...(node.kind === 'containerd' ? [[pinned, 'pinned'] as const] : []),
    ]),
    unused: [[oldest, twoNames], [byDigest], [twin, otherTwin, onKept], [first, second, third], [usedLately]],
    desired: [wanted.tag, wantedByDigest.digestName],
    keep: `["${node.registry.host}/soak/kept-by-g*", { label: soak.test/keep=yes }]`,
  };
  const agent = await startWith(world);
  // The sandbox image is there from the start.
  let expected = node.kind === 'containerd' ? 3 : 2;
  const known = (count: number): Promise<unknown> =>
    until(`${count} images are known`, async () => Number(await agent.metric('usage_records')) >= count, 60_000);
  const add = async (images: readonly SoakImage[]): Promise<void> => {
    for (const image of images) await node.pull(image === byDigest ? image.digestName : image.tag);
    expected += images.length;
    await known(expected);
  };
  await until('the desired images', async () => (await agent.metric('image_pulls_total')) === 2, 60_000);
  await known(expected);
  await add([usedLately, running, stopped, created, byGlob, byLabel, ...(node.kind === 'containerd' ? [pinned] : [])]);
  for (const group of world.unused.slice(0, -1)) await add(group);
  await node.tag(twoNames.tag, `${node.registry.host}/soak/another-name:2`);

  await node.daemon.run(running.tag);
  await node.daemon.stopContainer(await node.daemon.run(stopped.tag, { id: 'stopped' }));
  await node.create(created.tag);
  if (!('docker' in node.daemon)) {
    await node.daemon.ctr('images', 'label', pinned.tag, 'io.cri-containerd.pinned=pinned');
  }
  const short = await node.daemon.run(usedLately.tag, { id: 'short' });
  await node.daemon.removeContainer(short);
  return { world, agent };
}
