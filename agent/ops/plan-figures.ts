/** A prune plan as the figures of its metrics. Pure. */

import { type KeepReason, keepReasons, type PrunePlan } from '../core/prune-plan.ts';

export const imageStates = ['in_use', 'desired', 'protected', 'kept', 'reclaimable'] as const;
export type ImageState = (typeof imageStates)[number];

export const planDecisions = ['remove', ...keepReasons] as const;
export type PlanDecision = (typeof planDecisions)[number];

/**
 * What `images_reclaimable_bytes` counts is reclaimable: whatever nothing protects, whether this plan takes it or leaves it for its age
 * or because the disk has room.
 */
const stateOfKept: Readonly<Record<KeepReason, ImageState>> = {
  in_use: 'in_use',
  desired: 'desired',
  pulling: 'desired',
  infrastructure: 'protected',
  pinned: 'protected',
  keep_rule: 'kept',
  too_young: 'kept',
  keep_newest: 'kept',
  unknown_use: 'kept',
  recently_used: 'reclaimable',
  not_needed: 'reclaimable',
};

export interface PlanFigures {
  /** How many images are in each state; every image counts once. */
  readonly states: Readonly<Record<ImageState, number>>;
  readonly decisions: Readonly<Record<PlanDecision, { readonly images: number; readonly nominalBytes: number }>>;
  /** Bytes that all removals of the plan free. */
  readonly freedBytes: number;
}

export function toPlanFigures({ images }: PrunePlan): PlanFigures {
  const states = toRecord(imageStates, () => 0);
  const decisions = toRecord(planDecisions, () => ({ images: 0, nominalBytes: 0 }));
  let freedBytes = 0;
  for (const { decision, sizeBytes, freesBytes } of images) {
    const isRemoved = decision.kind === 'remove';
    states[isRemoved ? 'reclaimable' : stateOfKept[decision.reason]] += 1;
    const figures = decisions[isRemoved ? 'remove' : decision.reason];
    figures.images += 1;
    figures.nominalBytes += sizeBytes;
    freedBytes += freesBytes;
  }
  return { states, decisions, freedBytes };
}

function toRecord<Key extends string, Value>(keys: readonly Key[], value: () => Value): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, value()])) as Record<Key, Value>;
}
