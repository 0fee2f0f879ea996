/** A disk that runs out of inodes long before it runs out of bytes: the agent brings them down to the low watermark, and says why. */

import { join } from 'node:path';
import { buildLayer } from '../harness/images.ts';
import { readDisk } from '../harness/small-disk.ts';
import { type RunningAgent, startAgent, until } from '../integration/running-agent.ts';
import { lookAt } from './node-look.ts';
import { type Kind, type SoakImage, startSoakNode, toSoakConfig } from './soak-node.ts';

export interface InodeOptions {
  readonly kind: Kind;
  readonly say?: (line: string) => void;
  readonly logPath?: string | undefined;
}

export interface InodeReport {
  readonly wrong: readonly string[];
  readonly removed: number;
}

const disk = { sizeBytes: 256 * 2 ** 20, inodes: 4096 };
/** An image has 300 files of 50 bytes. */
const imageCount = 9;
const marks = { low: 0.4, high: 0.6 };

export async function runInodes({ kind, say = () => undefined, logPath }: InodeOptions): Promise<InodeReport> {
  const node = await startSoakNode(kind, disk);
  let agent: RunningAgent | undefined;
  const wrong: string[] = [];
  try {
    const images: SoakImage[] = [];
    for (let index = 0; index < imageCount; index += 1) {
      const layer = buildLayer({ seed: `inodes ${index}`, sizeBytes: 15_000, files: 300 });
      images.push(await node.push(`files-${index}`, [layer]));
    }
    const configure = (more: string): Promise<void> =>
      node.files.setConfig(toSoakConfig(node, [], `watermarks: { low: 40%, high: 60%, critical: 80% }, ${more}`));
    await configure('enabled: false');
    agent = await startAgent(node.options, logPath ?? join(node.folder.path, 'agent.log'));
    const { log, metric } = agent;
    for (const image of images) await node.pull(image.tag);
    await until('all are known', async () => Number(await metric('usage_records')) >= imageCount, 60_000);
    const before = await readDisk(node.daemon.root);
    const usedBefore = 1 - before.filesFree / before.files;
    if (usedBefore < marks.high) wrong.push(`only ${usedBefore} of the inodes are used before`);
    if (before.usedRatio > marks.high) wrong.push(`the disk is full of bytes too: ${before.usedRatio}`);

    await configure('enabled: true');
    const run = await until('a run', () => log.find(({ message }) => message === 'prune done'), 120_000);
    const after = await readDisk(node.daemon.root);
    const usedAfter = 1 - after.filesFree / after.files;
    const removals = log.filter(({ message }) => message === 'image removed');
    if (run['outcome'] !== 'success') wrong.push(`the run ended with ${String(run['outcome'])}`);
    if (removals.some(({ reason }) => reason !== 'inodes')) wrong.push(`reasons: ${JSON.stringify(removals)}`);
    if (usedAfter > marks.low) wrong.push(`${usedAfter} of the inodes are used after it`);
    const each = (after.filesFree - before.filesFree) / removals.length;
    if (after.filesFree - each >= after.files * (1 - marks.low)) wrong.push('one more went than was needed');
    const look = await lookAt(node);
    const left = images.filter((image) => look.namesOf(image).length > 0).length;
    if (left !== imageCount - removals.length) wrong.push(`${left} images left after ${removals.length} removals`);
    say(
      `${kind}: inodes ${(100 * usedBefore).toFixed(1)} % to ${(100 * usedAfter).toFixed(1)} %, ${removals.length} images removed; ` +
        `bytes ${(100 * before.usedRatio).toFixed(1)} % to ${(100 * after.usedRatio).toFixed(1)} %`,
    );
    return { wrong, removed: removals.length };
  } finally {
    await agent?.stop();
    await node.remove();
  }
}
