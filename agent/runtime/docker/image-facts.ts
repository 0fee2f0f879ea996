import type { ImageInfo } from 'dockerode';

import type { ImagePart } from '../../core/image-parts.ts';
import { toChainIds } from '../../core/layers.ts';
import { mapBounded } from '../bounded.ts';
import type { ImageDetails, PresentLayers } from '../runtime.ts';
import { type DockerClient, refusalStatus } from './docker-client.ts';
import { inspectImage, inspectionsAtOnce, listTimeoutMs, unaryTimeoutMs } from './image-inspection.ts';
import { type HistoryEntry, isClear, planLayerSizes } from './layer-sizes.ts';

export interface ImageFacts {
  readLayers(signal: AbortSignal): Promise<PresentLayers>;
  readParts(signal: AbortSignal): Promise<ReadonlyMap<string, readonly ImagePart[]>>;
  readDetails(imageIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, ImageDetails>>;
}

interface Inspected extends ImageDetails {
  readonly chainIds: readonly string[];
}

/** Only an image's own inspection and history tell these, and they never change for an id: each id is asked once. */
export function createImageFacts(client: DockerClient): ImageFacts {
  const inspections = createAnswers(async (id, signal): Promise<Inspected | undefined> => {
    const image = await readUnlessRefused(() => inspectImage(client, id, signal));
    return image === undefined ? undefined : { ...image, chainIds: toChainIds(image.diffIds) };
  });
  const histories = createAnswers(async (id, signal) => {
    const layers = (await inspections.ask([id], signal)).get(id)?.chainIds.length ?? 0;
    return readHistory(client, id, layers, signal);
  });

  const list = async (signal: AbortSignal): Promise<readonly ImageInfo[]> => {
    const call = { method: 'GET', path: '/images/json' } as const;
    const images = (await client.call(call, listTimeoutMs, signal)) as readonly ImageInfo[];
    const ids = new Set(images.map(({ Id }) => Id));
    inspections.keep(ids);
    histories.keep(ids);
    return images;
  };

  return {
    async readLayers(signal) {
      const ids = (await list(signal)).map(({ Id }) => Id);
      const found = await inspections.ask(ids, signal);
      return { chainIds: new Set([...found.values()].flatMap(({ chainIds }) => chainIds)), blobs: new Set() };
    },

    async readParts(signal) {
      const images = await list(signal);
      const ids = images.map(({ Id }) => Id);
      const found = await inspections.ask(ids, signal);
      const history = await histories.ask(ids, signal);
      return toParts(images, found, history);
    },

    async readDetails(imageIds, signal) {
      const found = await inspections.ask(imageIds, signal);
      return new Map([...found].map(([id, { builtAt, labels }]) => [id, { builtAt, labels }]));
    },
  };
}

function toParts(
  images: readonly ImageInfo[],
  inspected: ReadonlyMap<string, Inspected>,
  histories: ReadonlyMap<string, readonly HistoryEntry[]>,
): Map<string, readonly ImagePart[]> {
  const stacks = images.flatMap(({ Id, Size }) => {
    const image = inspected.get(Id);
    if (image === undefined) return [];
    return [{ ...image, id: Id, history: histories.get(Id) ?? [], totalBytes: Size }];
  });
  const sizes = planLayerSizes(stacks);
  return new Map(
    stacks.map(({ id, chainIds }) => {
      const layerBytes = sizes.get(id) ?? [];
      const toPart = (key: string, index: number): ImagePart => {
        return { key, store: 'layer', bytes: layerBytes[index] ?? 0, inodes: 0 };
      };
      return [id, chainIds.map(toPart)];
    }),
  );
}

/** Oldest first; none where dockerd refuses, as it does for an image whose history does not fit its layers. */
async function readHistory(
  client: DockerClient,
  id: string,
  layers: number,
  signal: AbortSignal,
): Promise<readonly HistoryEntry[]> {
  const call = { method: 'GET', path: `/images/${id}/history` } as const;
  const answer = (await readUnlessRefused(() => client.call(call, unaryTimeoutMs, signal))) ?? [];
  const steps = (answer as readonly HistoryStep[]).toReversed();
  const toEntry = ({ Size, CreatedBy = '' }: HistoryStep): HistoryEntry => {
    return { bytes: Size, createdBy: CreatedBy, madeLayer: undefined };
  };
  const entries = steps.map(toEntry);
  if (isClear(entries, layers)) return entries;
  const counts = await readLayerCounts(client, steps, signal);
  return entries.map((entry, index) => {
    const [before, after] = [index === 0 ? 0 : counts[index - 1], counts[index]];
    return before === undefined || after === undefined ? entry : { ...entry, madeLayer: after > before };
  });
}

interface HistoryStep {
  /** `<missing>` but for the steps that the classic builder made on this machine, and the image itself. */
  readonly Id: string;
  readonly Size: number;
  readonly CreatedBy?: string;
}

/** How many layers there were after each step, where the image of that step is still known. */
async function readLayerCounts(
  client: DockerClient,
  steps: readonly HistoryStep[],
  signal: AbortSignal,
): Promise<readonly (number | undefined)[]> {
  return mapBounded(steps, inspectionsAtOnce, async ({ Id }) => {
    if (!Id.startsWith('sha256:')) return undefined;
    return (await readUnlessRefused(() => inspectImage(client, Id, signal)))?.diffIds.length;
  });
}

/** One image that dockerd cannot read, or that is gone since it was listed, must not hide all others. */
async function readUnlessRefused<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (refusalStatus(error) === undefined) throw error;
    return undefined;
  }
}

interface Answers<T> {
  /** What is known of these ids, after asking for those that are not known yet; an id that gives nothing is missing. */
  ask(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, T>>;
  /** Forgets all other ids. */
  keep(ids: ReadonlySet<string>): void;
}

function createAnswers<T>(read: (id: string, signal: AbortSignal) => Promise<T | undefined>): Answers<T> {
  const known = new Map<string, T>();
  return {
    async ask(ids, signal) {
      const unknown = [...new Set(ids)].filter((id) => !known.has(id));
      await mapBounded(unknown, inspectionsAtOnce, async (id) => {
        const answer = await read(id, signal);
        if (answer !== undefined) known.set(id, answer);
      });
      return new Map(ids.flatMap((id) => (known.has(id) ? [[id, known.get(id) as T]] : [])));
    },
    keep(ids) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    },
  };
}
