/** What an image's config says (OCI image specification 1.1, "Image Configuration"), asked once for each image id. */

import { mapBounded } from '../bounded.ts';
import type { ImageDetails } from '../runtime.ts';

export interface ImageDetailsReader {
  /** An id that cannot be read now is missing in the answer, and asked again the next time. */
  read(imageIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, ImageDetails>>;
  /** Forgets images that are gone. */
  keepOnly(imageIds: ReadonlySet<string>): void;
}

const parallelCalls = 16;

/** @param ask gives the config's JSON, parsed; undefined where it cannot be had */
export function createImageDetails(
  ask: (imageId: string, signal: AbortSignal) => Promise<unknown>,
): ImageDetailsReader {
  const known = new Map<string, ImageDetails>();
  return {
    async read(imageIds, signal) {
      const answer = new Map<string, ImageDetails>();
      await mapBounded([...new Set(imageIds)], parallelCalls, async (imageId) => {
        const details = known.get(imageId) ?? toImageDetails(await ask(imageId, signal));
        if (details === undefined) return;
        known.set(imageId, details);
        answer.set(imageId, details);
      });
      return answer;
    },
    keepOnly(imageIds) {
      for (const id of known.keys()) if (!imageIds.has(id)) known.delete(id);
    },
  };
}

/** Undefined for what is no image config: that has layers. Pure. */
export function toImageDetails(config: unknown): ImageDetails | undefined {
  if (!isObject(config) || !isObject(config['rootfs'])) return undefined;
  const { created, config: settings } = config;
  const builtAt = typeof created === 'string' ? Date.parse(created) : Number.NaN;
  const labels = isObject(settings) && isObject(settings['Labels']) ? settings['Labels'] : {};
  return {
    // Go's zero time lies in the year 1; the epoch itself is what reproducible builds write.
    builtAt: builtAt >= 0 ? builtAt : undefined,
    labels: Object.fromEntries(Object.entries(labels).filter(isTextEntry)),
  };
}

/** Undefined for what is no JSON. Pure. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextEntry(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string';
}
