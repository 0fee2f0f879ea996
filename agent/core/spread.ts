/** Each node's own delay before it begins to pull an image set, so that a fleet does not begin in step. Pure. */

import { createHash } from 'node:crypto';
import type { ImageSet } from './configuration.ts';
import { type DesiredImage, referencesOf } from './desired-images.ts';

/**
 * Ms from 0 to `spreadOverMs`, the same for every image of a set, so that a node begins with the whole set; where several sets ask for an
 * image, the shortest. It depends on the node's name and on the set's definition: another definition puts another node first.
 */
export function toSpreadDelays(
  nodeName: string,
  imageSets: readonly ImageSet[],
  spreadOverMs: number,
): (image: Pick<DesiredImage, 'imageSets'>) => number {
  if (spreadOverMs <= 0) return () => 0;
  const byName = new Map(imageSets.map((set) => [set.name, set]));
  const delays = new Map<string, number>();
  const delayOf = (name: string): number => {
    const known = delays.get(name);
    if (known !== undefined) return known;
    const set = byName.get(name);
    const delayMs = set === undefined ? 0 : toDelayMs(nodeName, set, spreadOverMs);
    delays.set(name, delayMs);
    return delayMs;
  };
  return (image) => (image.imageSets.length === 0 ? 0 : Math.min(...image.imageSets.map(delayOf)));
}

function toDelayMs(nodeName: string, set: ImageSet, spreadOverMs: number): number {
  const definition = JSON.stringify([nodeName, set.name, referencesOf(set).toSorted()]);
  const hash = createHash('sha256').update(definition).digest().readUInt32BE(0);
  return Math.floor((hash / 2 ** 32) * spreadOverMs);
}
