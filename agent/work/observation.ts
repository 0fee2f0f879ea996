import type { DesiredImage } from '../core/desired-images.ts';
import type { ImageFilesystem, PresentLayers, RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** What a look saw. */
export interface Observation {
  readonly images: readonly RuntimeImage[];
  readonly containers: readonly RuntimeContainer[];
  /** Empty where every desired image is here: listing layers costs the runtime more than all the rest. */
  readonly layers: PresentLayers;
  readonly filesystem: ImageFilesystem | undefined;
  /** Every name of an image that is whole and that nobody removes just now. */
  readonly wholeNames: ReadonlySet<string>;
}

const noLayers: PresentLayers = { chainIds: new Set(), blobs: new Set() };

export async function observe(
  runtime: Runtime,
  desired: readonly DesiredImage[],
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  signal: AbortSignal,
): Promise<Observation> {
  const images = await runtime.listImages(signal);
  const containers = await runtime.listContainers(signal);
  const whole = images.filter((image) => image.whole);
  const wholeNames = new Set(whole.flatMap((image) => [...image.tags, ...image.digests]));
  const mayPull = desired.some(
    ({ reference, refreshEveryMs }) => refreshEveryMs !== undefined || !wholeNames.has(reference),
  );
  const layers = mayPull ? await runtime.listLayers(signal) : noLayers;
  return { images, containers, layers, filesystem: await readFilesystem(), wholeNames };
}
