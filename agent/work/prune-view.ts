import type { PruneSettings } from '../core/configuration.ts';
import type { ImagePart } from '../core/image-parts.ts';
import { matchesKeepRule, needsLabels } from '../core/keep-rules.ts';
import { findNewest } from '../core/newest-images.ts';
import type { NodeHold } from '../core/node-holds.ts';
import type { ImageDetails, ImageFilesystem, RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import type { PruneWorld } from '../core/prune-planner.ts';
import { namesOf } from '../core/prune-protection.ts';
import type { RepositoryPattern } from '../core/repository-pattern.ts';
import type { LastUse } from '../core/usage.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Connected } from './runtime-connection.ts';

/** What pruning depends on beside the runtime: known without asking anybody, and true at this very moment. */
export interface PruneSubject {
  readonly settings: PruneSettings;
  readonly connected: Connected;
  /** Names. */
  readonly desired: ReadonlySet<string>;
  /** Patterns of the node's sets that nobody has resolved yet: what matches one may be desired. */
  readonly unresolved?: readonly RepositoryPattern[];
  /** Of pulls that ran at that moment of the monotonic clock or later: names, and ids of the images that they bring. */
  readonly pullingSince: (at: number) => ReadonlySet<string>;
  /** The agent's own image, where it was told. */
  readonly ownImage: string | undefined;
  /** What on the node itself holds pruning back; undefined: nothing. */
  readonly hold?: NodeHold | undefined;
}

/** What one look for pruning saw of the runtime. */
export interface PruneView {
  /** When the look began, on the monotonic clock. */
  readonly startedAt: number;
  readonly images: readonly RuntimeImage[];
  readonly containers: readonly RuntimeContainer[];
  readonly parts: ReadonlyMap<string, readonly ImagePart[]>;
  readonly details: ReadonlyMap<string, ImageDetails>;
  readonly infrastructure: ReadonlySet<string>;
  readonly filesystem: ImageFilesystem | undefined;
}

const noDetails: ReadonlyMap<string, ImageDetails> = new Map();

/** @param earlier a view of the same run: what an image is made of does not change, so it is not asked again */
export async function lookForPrune(
  { connected, settings }: PruneSubject,
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  earlier: PruneView | undefined,
  signal: AbortSignal,
): Promise<PruneView> {
  const { runtime } = connected;
  const startedAt = performance.now();
  const images = await runtime.listImages(signal);
  const knowsAll = earlier !== undefined && images.every(({ id }) => earlier.parts.has(id));
  const [parts, infrastructure, details] = await Promise.all([
    knowsAll ? earlier.parts : runtime.listImageParts(signal),
    knowsAll ? earlier.infrastructure : runtime.findInfrastructureImages(signal),
    readDetails(runtime, images, settings, signal),
  ]);
  // Last: a container that came while the rest was asked must be seen.
  const containers = await runtime.listContainers(signal);
  return { startedAt, images, containers, parts, details, infrastructure, filesystem: await readFilesystem() };
}

/**
 * Reading configs costs a call for each image and memory for what they say: only where the configuration depends on it. Build times also
 * refine the order of eviction, by too little to read them for that alone (`npm run bench -- eviction`: 0.81 against 0.83).
 */
async function readDetails(
  runtime: Runtime,
  images: readonly RuntimeImage[],
  { keep, keepNewestPerRepository }: PruneSettings,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ImageDetails>> {
  if (keepNewestPerRepository === 0 && !needsLabels(keep)) return noDetails;
  return await runtime.readImageDetails(
    images.map(({ id }) => id),
    signal,
  );
}

/** Synchronous: what the plan takes as desired and as being pulled is so at this very moment. */
export function toPruneWorld(
  view: PruneView,
  { settings, desired, unresolved, pullingSince, ownImage }: PruneSubject,
  lastUses: ReadonlyMap<string, LastUse>,
  failed: ReadonlySet<string>,
): PruneWorld {
  const { images, containers, parts, details, filesystem } = view;
  const own = images.filter((image) => ownImage !== undefined && namesOf(image).includes(ownImage)).map(({ id }) => id);
  return {
    now: Date.now(),
    images,
    parts,
    details,
    filesystem,
    lastUses,
    protection: {
      containers,
      desired,
      unresolved,
      // What was listed while its pull ran may have no name there yet that would make it desired.
      pulling: pullingSince(view.startedAt),
      infrastructure: new Set([...view.infrastructure, ...own]),
      isKeptByRule: (image) => matchesKeepRule(settings.keep, namesOf(image), image.id, details.get(image.id)?.labels),
      minimumAgeMs: settings.minimumAgeMs,
      newest: findNewest(images, details, settings.keepNewestPerRepository),
      failed,
    },
    policy: settings,
  };
}
