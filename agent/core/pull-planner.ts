/** From the whole state of a node to its pull plan: pure, synchronous, every desired image ends in exactly one list. */

import type { DesiredImage } from './desired-images.ts';
import type { Failure } from './failure.ts';
import type { ManifestSummary } from './manifest.ts';
import type { ImageFilesystem, PresentLayers, RuntimeImage } from './node-images.ts';
import type { NodeHold } from './node-holds.ts';
import type { PresentImage, PullPlan, PullReason, RefusedImage, UnselectedSet, WaitingPull } from './pull-plan.ts';
import { type Candidate, schedulePulls } from './pull-schedule.ts';
import type { Watermark } from './watermark.ts';
import type { Window } from './window.ts';

/** How often the disk is looked at again while a pull waits for room. */
const diskCheckMs = 30_000;

/** What the registry said of a desired image that is not here. */
export type ManifestKnowledge =
  | { readonly kind: 'known'; readonly manifest: ManifestSummary }
  /** Being asked; pulls are held back for it until `patienceEndsAt`, as their order depends on the answer. */
  | { readonly kind: 'pending'; readonly patienceEndsAt: number }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** A reference that must not be tried before `until`. */
export interface Backoff {
  readonly until: number;
  readonly failure: Failure;
}

export interface WarmWait {
  readonly message: string;
  readonly until: number;
}

export interface PullWorld {
  readonly now: number;
  readonly desired: readonly DesiredImage[];
  readonly unselected: readonly UnselectedSet[];
  readonly images: readonly RuntimeImage[];
  readonly layers: PresentLayers;
  /** Undefined: unknown, and then no pull waits for disk. */
  readonly filesystem: ImageFilesystem | undefined;
  /** Bytes that pruning could free for a pull; 0: none, or nobody asked yet. */
  readonly reclaimableBytes: number;
  /** Pulls that run, by reference, with the bytes that they have fetched so far. */
  readonly inFlight: ReadonlyMap<
    string,
    { readonly manifest: ManifestSummary | undefined; readonly downloadedBytes: number }
  >;
  readonly manifests: ReadonlyMap<string, ManifestKnowledge>;
  /** For images with a refresh interval: what the tag resolves to in the registry, and when to ask again. */
  readonly remoteDigests: ReadonlyMap<string, { readonly digest: string | undefined; readonly nextCheckAt: number }>;
  readonly backoffs: ReadonlyMap<string, Backoff>;
  /** Desired images that are not warm in Harbor yet, or not resolved: how long the pull waits for that, epoch ms, and why. */
  readonly warmWaits: ReadonlyMap<string, WarmWait>;
  /** Since when an image could be pulled, were it not for the spread, epoch ms; one that is not in it: since now. */
  readonly dueSince: ReadonlyMap<string, number>;
  readonly policy: PullPolicy;
}

/** Whether the cluster lets this node pull now; `until`: epoch ms, undefined where a change, not a time, ends the wait. */
export type SlotState = 'free' | { readonly message: string; readonly until: number | undefined };

export interface PullPolicy {
  readonly enabled: boolean;
  /** What on the node itself holds pulls back; undefined: nothing. */
  readonly hold: NodeHold | undefined;
  readonly slot: SlotState;
  /** How long this node waits, from when the image could first be pulled, ms. */
  readonly spreadDelayMs: (image: DesiredImage) => number;
  /** From then on gated images wait for neither slot nor spread, epoch ms; undefined: the gate holds nothing. */
  readonly gatedGoAt: number | undefined;
  readonly concurrency: number;
  readonly isAllowed: (reference: string) => boolean;
  readonly maxImageSizeBytes: number | undefined;
  readonly highWatermark: Watermark;
  readonly windowState: (
    window: Window,
    now: number,
  ) => { readonly open: boolean; readonly changesAt: number | undefined };
}

export interface PullDecision {
  readonly plan: PullPlan;
  /** What would have to be asked of the registry before the next look. */
  readonly lookUps: { readonly manifests: readonly DesiredImage[]; readonly digests: readonly DesiredImage[] };
  /** Bytes that must be free below the high watermark for what waits for the disk; 0: nothing waits, or nothing helps. */
  readonly roomBytes: number;
  /** Something runs, is to be pulled, or would be if there were a slot. */
  readonly needsSlot: boolean;
  /** The earliest time at which waiting ends by itself, epoch ms. */
  readonly wakeAt: number | undefined;
}

export function planPulls(world: PullWorld): PullDecision {
  const named = indexByName(world.images);
  const waiting: WaitingPull[] = [];
  const present: PresentImage[] = [];
  const refused: RefusedImage[] = [];
  const candidates: Candidate[] = [];
  const running: Candidate[] = [];
  const manifestLookUps: DesiredImage[] = [];
  const digestLookUps: DesiredImage[] = [];
  const wakeTimes: number[] = [];
  let patienceEndsAt: number | undefined;

  for (const desired of world.desired) {
    const { reference, imageSets } = desired;
    const knowledge = world.manifests.get(reference);
    const manifest = knowledge?.kind === 'known' ? knowledge.manifest : undefined;
    if (world.inFlight.has(reference)) {
      running.push({ ...desired, reason: 'absent', manifest: world.inFlight.get(reference)?.manifest });
      continue;
    }
    const image = named.get(reference);
    const wait = findWait(desired, world);
    if (image?.whole === true) {
      const remote = world.remoteDigests.get(reference);
      if (desired.refreshEveryMs !== undefined && wait === undefined) {
        if (remote === undefined || remote.nextCheckAt <= world.now) digestLookUps.push(desired);
        else wakeTimes.push(remote.nextCheckAt);
      }
      if (desired.refreshEveryMs === undefined || !hasMoved(reference, image, remote?.digest)) {
        present.push({ reference, imageSets, imageId: image.id, sizeBytes: image.sizeBytes });
        continue;
      }
    }
    const refusal = findRefusal(desired, manifest, world.policy);
    if (refusal !== undefined) {
      refused.push(refusal);
      continue;
    }
    const delay = wait ?? findSpread(desired, world);
    if (delay !== undefined) {
      waiting.push(delay);
      continue;
    }
    if (knowledge === undefined) manifestLookUps.push(desired);
    if (knowledge?.kind === 'pending' && knowledge.patienceEndsAt > world.now) {
      patienceEndsAt = Math.max(patienceEndsAt ?? 0, knowledge.patienceEndsAt);
    }
    if (knowledge?.kind === 'failed' && world.policy.maxImageSizeBytes !== undefined) {
      // A limit that cannot be checked is not passed.
      waiting.push({
        reference,
        imageSets,
        reason: 'backoff',
        message: `prefetch.maxImageSize is set and the size is unknown: ${knowledge.failure.message}`,
        until: undefined,
        failure: knowledge.failure.code,
      });
      continue;
    }
    candidates.push({ ...desired, reason: toReason(image), manifest });
  }

  const held = manifestLookUps.length > 0 || patienceEndsAt !== undefined;
  if (patienceEndsAt !== undefined) wakeTimes.push(patienceEndsAt);
  const scheduled = schedulePulls(running, candidates, held, world);
  for (const { until } of waiting) if (until !== undefined) wakeTimes.push(until);
  // Nothing tells that the disk has room again.
  if (scheduled.waiting.some(({ reason }) => reason === 'disk')) wakeTimes.push(world.now + diskCheckMs);
  for (const { until } of scheduled.waiting) if (until !== undefined) wakeTimes.push(until);
  return {
    plan: {
      at: world.now,
      pulls: scheduled.pulls,
      waiting: [...waiting, ...scheduled.waiting],
      present,
      refused,
      unselected: world.unselected,
    },
    lookUps: { manifests: manifestLookUps, digests: digestLookUps },
    roomBytes: scheduled.roomBytes,
    needsSlot: scheduled.pulls.length > 0 || scheduled.waiting.some(({ reason }) => reason === 'slot'),
    wakeAt: wakeTimes.length === 0 ? undefined : Math.min(...wakeTimes),
  };
}

function findWait(desired: DesiredImage, world: PullWorld): WaitingPull | undefined {
  const { reference, imageSets } = desired;
  const base = { reference, imageSets, failure: undefined, until: undefined };
  if (!world.policy.enabled) return { ...base, reason: 'paused', message: 'prefetch.enabled is false' };
  if (world.policy.hold !== undefined) {
    const { reason, message } = world.policy.hold;
    return { ...base, reason: reason === 'pressure' ? 'pressure' : 'paused', message };
  }
  if (desired.windows !== undefined) {
    const states = desired.windows.map((window) => world.policy.windowState(window, world.now));
    if (!states.some(({ open }) => open)) {
      const opens = states.flatMap(({ changesAt }) => (changesAt === undefined ? [] : [changesAt]));
      const until = opens.length === 0 ? undefined : Math.min(...opens);
      return { ...base, reason: 'window', message: 'the window of its image sets is closed', until };
    }
  }
  const backoff = world.backoffs.get(reference);
  if (backoff !== undefined && backoff.until > world.now) {
    const { failure, until } = backoff;
    return { ...base, reason: 'backoff', message: failure.message, until, failure: failure.code };
  }
  return undefined;
}

/** Also before the registry is asked about it: that is what is spread. */
function findSpread(desired: DesiredImage, world: PullWorld): WaitingPull | undefined {
  const { reference, imageSets } = desired;
  const due = (world.dueSince.get(reference) ?? world.now) + world.policy.spreadDelayMs(desired);
  const until = desired.gate ? Math.min(due, world.policy.gatedGoAt ?? due) : due;
  if (until <= world.now) return undefined;
  const message = `prefetch.spreadOver: this node begins at ${new Date(until).toISOString()}`;
  return { reference, imageSets, reason: 'slot', message, until, failure: undefined };
}

function findRefusal(
  desired: DesiredImage,
  manifest: ManifestSummary | undefined,
  policy: PullPolicy,
): RefusedImage | undefined {
  const { reference, imageSets } = desired;
  if (!policy.isAllowed(reference)) {
    const message = 'neither prefetch.allow nor, without it, the hosts in registries match it';
    return { reference, imageSets, code: 'policy', detail: 'not_allowed', message };
  }
  if (policy.maxImageSizeBytes !== undefined && manifest !== undefined) {
    const bytes = manifest.configBytes + manifest.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
    if (bytes > policy.maxImageSizeBytes) {
      const message = `its compressed size of ${bytes} bytes is above prefetch.maxImageSize (${policy.maxImageSizeBytes})`;
      return { reference, imageSets, code: 'policy', detail: 'image_too_large', message };
    }
  }
  return undefined;
}

function toReason(image: RuntimeImage | undefined): PullReason {
  if (image === undefined) return 'absent';
  return image.whole ? 'moved' : 'broken';
}

/** Moved: the registry names a digest for the tag that the image here does not carry. */
function hasMoved(reference: string, image: RuntimeImage, remoteDigest: string | undefined): boolean {
  if (remoteDigest === undefined) return false;
  const repository = reference.slice(0, reference.lastIndexOf(':'));
  return !image.digests.includes(`${repository}@${remoteDigest}`);
}

function indexByName(images: readonly RuntimeImage[]): Map<string, RuntimeImage> {
  const named = new Map<string, RuntimeImage>();
  for (const image of images) for (const name of [...image.tags, ...image.digests]) named.set(name, image);
  return named;
}
