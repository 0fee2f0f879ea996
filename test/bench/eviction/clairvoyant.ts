/** What could be done by somebody who knew every later pod start: by the same rules, and as a bound that nobody can beat. */

import { downloadShare } from './node.ts';
import { type EvictionOrder, ourRules } from './orders.ts';
import { minuteMs, type Trace } from './trace.ts';

export const clairvoyantName = 'clairvoyant, same rules';

/** When each layer is asked for, in order. */
function toLayerUses({ starts, images, layerBytes }: Trace): number[][] {
  const uses: number[][] = layerBytes.map(() => []);
  for (const { at, image } of starts) for (const layer of images[image]?.layers ?? []) uses[layer]?.push(at);
  return uses;
}

function firstAfter(times: readonly number[], now: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= now) low = middle + 1;
    else high = middle;
  }
  return times[low] ?? Number.POSITIVE_INFINITY;
}

/**
 * Belady's rule carried over to images that share layers, with our watermarks, grace and protections: the image goes whose layers, as far
 * as they would come back, are asked for latest; sooner layers weigh more, by their bytes. Greedy: good, not proven best.
 */
export function clairvoyantOrder(trace: Trace): EvictionOrder {
  const uses = toLayerUses(trace);
  return {
    name: clairvoyantName,
    kind: 'rescored',
    rules: ourRules,
    urgency: ({ image }, node) => {
      let bytes = 0;
      let worth = 0;
      for (const layer of node.image(image).layers) {
        if (node.layerUsers[layer] !== 1) continue;
        bytes += node.bytesOf(layer);
        worth += node.bytesOf(layer) / Math.max(minuteMs, firstAfter(uses[layer] ?? [], node.now) - node.now);
      }
      return bytes === 0 ? 0 : -worth / bytes;
    },
  };
}

/**
 * Bytes that everybody downloads again at least who leaves no more than `capacityBytes` on the disk, but for what is in use: Belady's rule on
 * single bytes of layers. It knows no images, low watermark, grace or protections, and as every byte costs the same, nothing is better.
 */
export function findLeastAgainBytes(trace: Trace, capacityBytes: number): number {
  const { layerBytes, images, starts } = trace;
  const uses = toLayerUses(trace);
  const layersOf = (image: number): readonly number[] => images[image]?.layers ?? [];
  const ends = starts
    .map(({ at, durationMs, image }) => ({ at: at + durationMs, image }))
    .toSorted((a, b) => a.at - b.at);
  const present = new Map<number, number>();
  const seen = new Set<number>();
  const pods = new Int32Array(layerBytes.length);
  let usedBytes = 0;
  let againBytes = 0;

  const trim = (now: number): void => {
    if (usedBytes <= capacityBytes) return;
    const idle = [...present.keys()].filter((layer) => pods[layer] === 0);
    const latestFirst = idle
      .map((layer) => ({ layer, next: firstAfter(uses[layer] ?? [], now) }))
      .toSorted((a, b) => b.next - a.next);
    for (const { layer } of latestFirst) {
      const hereBytes = present.get(layer) ?? 0;
      const goBytes = Math.min(hereBytes, usedBytes - capacityBytes);
      usedBytes -= goBytes;
      if (goBytes === hereBytes) present.delete(layer);
      else present.set(layer, hereBytes - goBytes);
      if (usedBytes <= capacityBytes) return;
    }
  };

  let nextEnd = 0;
  const endUntil = (until: number): void => {
    for (let end = ends[nextEnd]; end !== undefined && end.at <= until; end = ends[nextEnd]) {
      nextEnd += 1;
      for (const layer of layersOf(end.image)) pods[layer] = (pods[layer] ?? 0) - 1;
      trim(end.at);
    }
  };

  for (const { at, image } of starts) {
    // An end at this very moment may belong to a pod that starts now, and then comes after it.
    endUntil(at - 1);
    for (const layer of layersOf(image)) {
      const bytes = layerBytes[layer] ?? 0;
      const missingBytes = bytes - (present.get(layer) ?? 0);
      if (seen.has(layer)) againBytes += missingBytes;
      seen.add(layer);
      present.set(layer, bytes);
      usedBytes += missingBytes;
      pods[layer] = (pods[layer] ?? 0) + 1;
    }
    trim(at);
  }
  return againBytes * downloadShare;
}
