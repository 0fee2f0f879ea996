/** From the whole state of a node to its pull plan: pure, synchronous, every desired image ends in exactly one list. */

import type { DesiredImage } from './desired-images.ts';
import type { Failure } from './failure.ts';
import { hasMoved, indexByName, isAnswered } from './held-image.ts';
import type { ManifestSummary } from './manifest.ts';
import type { ImageFilesystem, PresentLayers, RuntimeImage } from './node-images.ts';
import type { NodeHold } from './node-holds.ts';
import type { PresentImage, PullPlan, PullReason, RefusedImage, UnselectedSet, WaitingPull } from './pull-plan.ts';
import { findRefusal } from './pull-refusal.ts';
import { findSpread, findWait, findWarming } from './pull-waits.ts';
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
    const { reference, imageSets, resolved } = desired;
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
      if (desired.refreshEveryMs !== undefined && wait === undefined && !isAnswered(desired)) {
        if (remote === undefined || remote.nextCheckAt <= world.now) digestLookUps.push(desired);
        else wakeTimes.push(remote.nextCheckAt);
      }
      const isSettled = desired.refreshEveryMs === undefined || resolved?.refusal !== undefined;
      if (isSettled || !hasMoved(desired, image, remote?.digest)) {
        const refusal = resolved?.refusal === undefined ? {} : { refusal: resolved.refusal };
        present.push({ reference, imageSets, imageId: image.id, sizeBytes: image.sizeBytes, ...refusal });
        continue;
      }
    }
    const refusal = findRefusal(desired, manifest, world.policy);
    if (refusal !== undefined) {
      refused.push(refusal);
      continue;
    }
    const delay = wait ?? findWarming(desired, world) ?? findSpread(desired, world);
    if (delay !== undefined) {
      waiting.push(delay);
      continue;
    }
    if (knowledge === undefined) manifestLookUps.push(desired);
    if (knowledge?.kind === 'pending' && knowledge.patienceEndsAt > world.now) {
      patienceEndsAt = Math.max(patienceEndsAt ?? 0, knowledge.patienceEndsAt);
    }
    const isSizeKnown = (resolved?.child?.sizeBytes ?? 0) > 0 || world.policy.maxImageSizeBytes === undefined;
    if (knowledge?.kind === 'failed' && !isSizeKnown) {
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

function toReason(image: RuntimeImage | undefined): PullReason {
  if (image === undefined) return 'absent';
  return image.whole ? 'moved' : 'broken';
}
