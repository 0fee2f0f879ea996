/** Which changes of an image set people should hear of. Pure. */

import type { FailureCode } from './failure.ts';
import { Failure } from './failure.ts';
import type { ImageSetState, MissingImage } from './image-set-state.ts';
import type { NodeEvent } from './node-event.ts';
import { imageSetLabelPrefix } from './label-syntax.ts';
import type { Labels } from './label-selector.ts';

export interface ImageSetPhase {
  readonly phase: 'pending' | 'failed' | 'ready';
  /** The image whose failure was told; undefined unless failed. */
  readonly failedReference: string | undefined;
  /** When each image that is missing was first seen to fail, epoch ms. */
  readonly failingSince: ReadonlyMap<string, number>;
  /** Images that are here and that were told to be refused. */
  readonly refused: ReadonlySet<string>;
}

/** By the set's name. */
export type ImageSetPhases = ReadonlyMap<string, ImageSetPhase>;

/** What passes by itself is news when it has not passed for so long. */
const lastingAfterMs = 300_000;
const noFailures: ReadonlyMap<string, number> = new Map();

/**
 * One look at the selected sets after the earlier ones. A set seen for the first time is what its label on the node says, so that a restart tells
 * nothing twice. A failure counts at once where trying again cannot help, otherwise when it comes again after 5 minutes; while the image is
 * tried again in between, the set stays failed.
 */
export function planImageSetEvents(
  earlier: ImageSetPhases,
  sets: readonly ImageSetState[],
  labels: Labels,
  now: number,
): { readonly phases: ImageSetPhases; readonly events: readonly NodeEvent[] } {
  const phases = new Map<string, ImageSetPhase>();
  const events: NodeEvent[] = [];
  for (const set of sets) {
    const before = earlier.get(set.name) ?? toFirstPhase(labels[imageSetLabelPrefix + set.name]);
    const { phase, event } = advance(before, set, now);
    const refused = set.refused ?? [];
    phases.set(set.name, { ...phase, refused: new Set(refused.map(({ reference }) => reference)) });
    if (event !== undefined) events.push(event);
    for (const { reference, message } of refused) {
      if (before.refused.has(reference)) continue;
      events.push({ kind: 'image_refused', imageSet: set.name, reference, message });
    }
  }
  return { phases, events };
}

function toFirstPhase(label: string | undefined): ImageSetPhase {
  const phase = label === 'ready' ? 'ready' : 'pending';
  return { phase, failedReference: undefined, failingSince: noFailures, refused: new Set() };
}

function advance(
  before: ImageSetPhase,
  set: ImageSetState,
  now: number,
): { readonly phase: Omit<ImageSetPhase, 'refused'>; readonly event: NodeEvent | undefined } {
  const { name: imageSet, images, missing } = set;
  if (missing.length === 0) {
    return {
      phase: { phase: 'ready', failedReference: undefined, failingSince: noFailures },
      event: before.phase === 'ready' ? undefined : { kind: 'image_set_ready', imageSet, images },
    };
  }
  const failingSince = new Map(
    missing.flatMap(({ reference, failure }) => {
      const since = before.failingSince.get(reference) ?? (failure === undefined ? undefined : now);
      return since === undefined ? [] : [[reference, since] as const];
    }),
  );
  const isStillFailed = missing.some(({ reference }) => reference === before.failedReference);
  if (isStillFailed) return { phase: { ...before, failingSince }, event: undefined };
  const failed = missing.find((image) => hasFailedLastingly(image, failingSince, now));
  if (failed === undefined) {
    return { phase: { phase: 'pending', failedReference: undefined, failingSince }, event: undefined };
  }
  const { reference } = failed;
  return {
    phase: { phase: 'failed', failedReference: reference, failingSince },
    event: {
      kind: 'image_set_failed',
      imageSet,
      reference,
      code: toCode(failed),
      message: failed.message ?? '',
    },
  };
}

function hasFailedLastingly(image: MissingImage, failingSince: ReadonlyMap<string, number>, now: number): boolean {
  if (image.why === 'refused') return true;
  if (image.failure === undefined) return false;
  if (!new Failure(image.failure, '').retryable) return true;
  return now - (failingSince.get(image.reference) ?? now) >= lastingAfterMs;
}

function toCode({ failure }: MissingImage): FailureCode {
  return failure ?? 'policy';
}
