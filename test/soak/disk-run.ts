/**
 * The agent on a small disk that is filled past its high watermark: what goes, what stays, what came back by the agent's count and by the
 * disk's own. Then pulls that need room, and somebody else who fills the disk.
 */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PlanDocument } from '../../agent/core/plan-document.ts';
import { type DiskFigures, readDisk } from '../harness/small-disk.ts';
import { type RunningAgent, startAgent, stevedore, until } from '../integration/running-agent.ts';
import { type DiskWorld, fillDisk, layersOf } from './disk-world.ts';
import { findBroken, lookAt } from './node-look.ts';
import { type Kind, type SoakImage, type SoakNode, startSoakNode, toSoakConfig } from './soak-node.ts';

export interface DiskOptions {
  readonly kind: Kind;
  readonly sizeBytes: number;
  /** Somebody else fills the disk with a file too: takes some two minutes more. */
  readonly otherWriter: boolean;
  readonly say?: (line: string) => void;
  readonly logPath?: string | undefined;
}

export interface DiskReport {
  readonly wrong: readonly string[];
  readonly removed: readonly string[];
  readonly headlineBytes: number;
  readonly gainBytes: number;
}

const marks = { low: 0.58, high: 0.66 };
const watermarks = 'watermarks: { low: 58%, high: 66%, critical: 93% }';
/** Of the disk: 17 or 18 images then fill it to some 80 %. */
const unitShare = 0.037;
/** What a pull is estimated to need: the compressed bytes, and 2.2 times as much unpacked. */
const estimateFactor = 3.2;

export async function runDisk({
  kind,
  sizeBytes,
  otherWriter,
  say = () => undefined,
  logPath,
}: DiskOptions): Promise<DiskReport> {
  const node = await startSoakNode(kind, { sizeBytes });
  let agent: RunningAgent | undefined;
  try {
    const layer = layersOf(node, sizeBytes * unitShare);
    const filled = await fillDisk(node, layer, async (world) => {
      await configure(node, world, world.desired, 'enabled: false');
      return startAgent(node.options, logPath ?? join(node.folder.path, 'agent.log'));
    });
    agent = filled.agent;
    const scene: Scene = { node, agent, world: filled.world, wrong: [], say, sizeBytes };
    const report = await pruneToLow(scene);
    await makeRoom(scene, layer);
    if (otherWriter) await fillByFile(scene, layer);
    return { wrong: scene.wrong, ...report };
  } finally {
    await agent?.stop();
    await node.remove();
  }
}

interface Scene {
  readonly sizeBytes: number;
  readonly node: SoakNode;
  readonly agent: RunningAgent;
  readonly world: DiskWorld;
  readonly wrong: string[];
  readonly say: (line: string) => void;
}

function configure(node: SoakNode, world: DiskWorld, desired: readonly string[], more: string): Promise<void> {
  return node.files.setConfig(toSoakConfig(node, desired, `${watermarks}, keep: ${world.keep}, ${more}`));
}

async function pruneToLow({ node, agent, world, wrong, say }: Scene): Promise<Omit<DiskReport, 'wrong'>> {
  const before = await readDisk(node.daemon.root);
  if (before.usedRatio < marks.high) wrong.push(`the disk is only ${percent(before)} full before`);
  const plan = await readPlan(node);
  wrong.push(...judgePlan(plan, node, world));
  await configure(node, world, world.desired, 'enabled: true');
  const run = await until('a run', () => agent.log.find(({ message }) => message === 'prune done'), 120_000);
  const after = await readDisk(node.daemon.root);
  const removals = removalsIn(agent);
  const removed = removals.map(({ imageId }) => keyOf(world, imageId));

  const groups = removed.map((key) => world.unused.findIndex((group) => group.some((image) => image.key === key)));
  const complete = world.unused.slice(0, groups.at(-1)).flat().length;
  const inOrder = groups.every((group, at) => group >= (groups[at - 1] ?? 0)) && groups.length > complete;
  if (!inOrder) wrong.push(`removed in the wrong order: ${removed.join(' ')}`);
  const planned = planRemovals(plan).map(({ imageId }) => keyOf(world, imageId));
  if (planned.join() !== removed.join()) wrong.push(`planned ${planned.join(' ')}, removed ${removed.join(' ')}`);
  if (after.usedRatio > marks.low) wrong.push(`${percent(after)} full after a run that was to reach ${marks.low}`);
  const last = removals.at(-1)?.bytes ?? 0;
  const availAtLow = after.sizeBytes * (1 - marks.low);
  if (after.availBytes - last >= availAtLow) wrong.push(`the last one, of ${last} bytes, need not have gone`);
  wrong.push(...(await findLost(node, world, new Set(removed))));

  const [headlineBytes, gainBytes] = [await readReclaimed(agent), after.availBytes - before.availBytes];
  const off = headlineBytes / gainBytes - 1;
  if (Math.abs(off) > 0.01) wrong.push(`the headline says ${headlineBytes} bytes, the disk ${gainBytes}`);
  const predicted = plan.prune?.totals.freesBytes ?? 0;
  say(
    `${node.kind} ${node.daemon.version}: ${percent(before)} to ${percent(after)} full, ${removed.length} images removed; ` +
      `headline ${headlineBytes}, disk ${gainBytes} (${(off * 100).toFixed(3)} %), the run's own gain ${String(run['filesystemFreedBytes'])}, ` +
      `planned ${predicted}, nominal ${String(run['nominalBytes'])}`,
  );
  return { removed, headlineBytes, gainBytes };
}

function judgePlan({ prune }: PlanDocument, { kind }: SoakNode, { protectedImages, unused }: DiskWorld): string[] {
  const decisions = new Map(prune?.images.map(({ imageId, decision }) => [imageId, decision]));
  const wrong: string[] = [];
  for (const [{ key, built }, reason] of protectedImages) {
    const decision = decisions.get(built.configDigest);
    if (decision?.kind !== 'keep' || decision.reason !== reason) wrong.push(`${key}: ${JSON.stringify(decision)}`);
  }
  for (const { key, built } of unused.flat()) {
    const decision = decisions.get(built.configDigest);
    const fits = decision?.kind === 'remove' ? decision.reason === 'space' : decision?.reason === 'not_needed';
    if (!fits) wrong.push(`${key}: ${JSON.stringify(decision)}`);
  }
  const others = [...decisions.values()].filter(({ reason }) => reason === 'infrastructure').length;
  const expected = protectedImages.size + unused.flat().length + others;
  if (decisions.size !== expected) wrong.push(`${decisions.size} images in the plan, not ${expected}`);
  if (kind === 'containerd' && others !== 1) wrong.push(`${others} images are the runtime's own, not 1`);
  return wrong;
}

/** One pull that finds room when something unused goes, and one that finds none. */
async function makeRoom(scene: Scene, layer: ReturnType<typeof layersOf>): Promise<void> {
  const { node, agent, world, wrong, say, sizeBytes } = scene;
  const disk = await readDisk(node.daemon.root);
  const unit = sizeBytes * unitShare;
  const removedBefore = removalsIn(agent).length;
  const needBytes = disk.availBytes - disk.sizeBytes * (1 - marks.high) + unit / 2;
  const share = needBytes / estimateFactor / (node.kind === 'docker' ? unit : unit / 2);
  const fits = await node.push('fits', [layer('fits', share)]);
  const desired = [...world.desired, fits.tag];
  await configure(node, world, desired, 'enabled: true');
  await until('the pull that needs room', async () => (await agent.metric('image_pulls_total')) === 3, 60_000);
  await until('its image', async () => (await lookAt(node)).namesOf(fits).length > 0, 60_000);
  const after = await readDisk(node.daemon.root);
  const gone = removalsIn(agent).slice(removedBefore);
  if (gone.length === 0) wrong.push('room was made, and nothing removed');
  if (after.usedRatio > marks.high) wrong.push(`the pull that needed room left the disk ${percent(after)} full`);
  say(
    `  a pull of ${Math.round(needBytes)} bytes made room: ${gone.map(({ imageId }) => keyOf(world, imageId)).join(' ')} went`,
  );

  const huge = await node.push('huge', [layer('huge', 10)]);
  await configure(node, world, [...desired, huge.tag], 'enabled: true');
  await until(
    'a pull that waits',
    async () => (await agent.metric('image_pulls_waiting{reason="disk"}')) === 1,
    30_000,
  );
  const waits = (await readPlan(node)).waiting.filter(({ reference }) => reference === huge.tag);
  if (waits[0]?.reason !== 'disk') wrong.push(`the plan says of it: ${JSON.stringify(waits)}`);
  const said = agent.log.some(
    ({ message, image, reason }) => message === 'pull waits' && image === huge.tag && reason === 'disk',
  );
  if (!said) wrong.push('the log does not say that it waits for the disk');
  if (removalsIn(agent).length > removedBefore + gone.length)
    wrong.push('something went for a pull that has no room anyway');
  wrong.push(...(await findLost(node, world, new Set(removalsIn(agent).map(({ imageId }) => keyOf(world, imageId))))));
  await configure(node, world, desired, 'enabled: true');
  await until('nothing waits', async () => (await agent.metric('image_pulls_waiting{reason="disk"}')) === 0, 30_000);
}

/** A plain file fills the disk: what may go goes, it is said that this does not suffice, and the pull that waits comes through once it can. */
async function fillByFile(
  { node, agent, world, wrong, say }: Scene,
  layer: ReturnType<typeof layersOf>,
): Promise<void> {
  const disk = await readDisk(node.daemon.root);
  const runs = (): Record<string, unknown>[] => agent.log.filter(({ message }) => message === 'prune done');
  const runsBefore = runs().length;
  const file = join(node.daemon.root, 'of-somebody-else');
  await writeFile(file, Buffer.alloc(Math.round(disk.availBytes - disk.sizeBytes * 0.2)));
  const run = await until('a run', () => runs()[runsBefore], 60_000);
  const missing = await agent.metric('prune_shortfall_bytes');
  if (!(Number(missing) > 0)) wrong.push(`the disk is full of a file, and the shortfall is ${missing}`);
  const gone = new Set(removalsIn(agent).map(({ imageId }) => keyOf(world, imageId)));
  if (gone.size !== world.unused.flat().length) wrong.push(`only ${[...gone].join(' ')} went`);
  wrong.push(...(await findLost(node, world, gone)));
  const late = await node.push('late', [layer('late', 0.5)]);
  const desired = [...world.desired, `${node.registry.host}/soak/fits:1`, late.tag];
  await configure(node, world, desired, 'enabled: true');
  await until(
    'a pull that waits',
    async () => (await agent.metric('image_pulls_waiting{reason="disk"}')) === 1,
    60_000,
  );
  await rm(file);
  const freedAt = Date.now();
  await until('the pull', async () => (await lookAt(node)).namesOf(late).length > 0, 120_000);
  say(
    `  a file filled it: run ${String(run['outcome'])}, missing ${missing}; the pull came ${Date.now() - freedAt} ms after the file went`,
  );
}

async function findLost(node: SoakNode, world: DiskWorld, removed: ReadonlySet<string>): Promise<string[]> {
  const look = await lookAt(node);
  const all = [...world.protectedImages.keys(), ...world.unused.flat()];
  const wrong = await findBroken(node, look, all);
  for (const image of all) {
    const names = look.namesOf(image);
    if (removed.has(image.key) && names.length > 0) wrong.push(`${image.key} was removed and has ${names.join(' ')}`);
    if (!removed.has(image.key) && names.length === 0) wrong.push(`${image.key} is gone`);
  }
  if (look.leases.length > 0) wrong.push(`leases ${look.leases.join(' ')}`);
  return wrong;
}

export async function readPlan(node: SoakNode): Promise<PlanDocument> {
  const { code, stdout, stderr } = await stevedore(['plan', '--json', '--state-dir', node.files.stateDir]);
  if (code !== 0 && code !== 1) throw new Error(`plan: ${code} ${stderr}`);
  return JSON.parse(stdout) as PlanDocument;
}

function planRemovals({ prune }: PlanDocument) {
  return (prune?.images ?? []).filter(({ decision }) => decision.kind === 'remove');
}

function removalsIn({ log }: RunningAgent): { readonly imageId: string; readonly bytes: number }[] {
  return log
    .filter(({ message }) => message === 'image removed')
    .map(({ imageId, reclaimedBytes }) => ({ imageId: String(imageId), bytes: Number(reclaimedBytes) }));
}

/** Of all stores. */
async function readReclaimed({ url }: RunningAgent): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('stevedore_prune_reclaimed_bytes_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

function keyOf({ protectedImages, unused }: DiskWorld, imageId: unknown): string {
  const all: SoakImage[] = [...protectedImages.keys(), ...unused.flat()];
  return all.find(({ built }) => built.configDigest === imageId)?.key ?? String(imageId);
}

function percent({ usedRatio }: DiskFigures): string {
  return `${(100 * usedRatio).toFixed(1)} %`;
}
