/** The prune plan's part of the plan document; its schema is in plan.schema.json beside this file. */

import { type Leftover, type LeftoverKind, leftoverKinds } from './leftovers.ts';
import type { PlannedImage, PruneDecision, PrunePlan } from './prune-plan.ts';
import type { UsageSource } from './usage.ts';

export interface PlanPruneInput {
  /** Undefined: nothing could be planned. */
  readonly plan: PrunePlan | undefined;
  readonly enabled: boolean;
  readonly dryRun: boolean;
  /** Of the kinds that were looked at. */
  readonly leftovers: readonly Leftover[];
  /** What else a reader has to know, as sentences without a full stop: `age pruning waits until …`. */
  readonly notes: readonly string[];
}

export interface PlanPrune {
  /** Off switches: with either, `images` is what would be removed. */
  readonly enabled: boolean;
  readonly dryRun: boolean;
  readonly notes: readonly string[];
  /** What is removed, in that order, then what is kept. Every image of the node is here once. */
  readonly images: readonly PlanPruneImage[];
  /** Of the kinds of which there are any. */
  readonly leftovers: readonly PlanLeftovers[];
  readonly totals: PlanPruneTotals;
}

export interface PlanPruneImage {
  readonly imageId: string;
  /** Tags, then digests. */
  readonly names: readonly string[];
  readonly decision: PruneDecision;
  /** Absent where nothing is known of its use. */
  readonly lastUsedAt?: string;
  readonly lastUsedFrom?: UsageSource;
  /** As the runtime says it: nominal, shared layers included. */
  readonly sizeBytes: number;
  /** What comes back when it goes at this point: a shared layer counts where its last user goes. 0 for what is kept. */
  readonly freesBytes: number;
  /** `freesBytes` of this one and all before it. 0 for what is kept. */
  readonly cumulativeBytes: number;
}

export interface PlanLeftovers {
  readonly kind: LeftoverKind;
  readonly count: number;
  /** Sum where known. */
  readonly bytes: number;
  /** How many have no known size and so are missing in the sum. */
  readonly unknownSizes: number;
}

export interface PlanPruneTotals {
  /** How many images are removed and kept. */
  readonly remove: number;
  readonly keep: number;
  /** What comes back when all of them have gone. */
  readonly freesBytes: number;
  /** What would come back if everything went that no protection holds, whatever its age. */
  readonly reclaimableBytes: number;
  /** What has to come back; 0 where the plan is not after space. */
  readonly targetBytes: number;
  readonly targetInodes: number;
  /** What is missing of `targetBytes` when all that may go has gone. */
  readonly shortfallBytes: number;
  readonly shortfallInodes: number;
}

/** Undefined without a plan. */
export function toPlanPrune({ plan, enabled, dryRun, leftovers, notes }: PlanPruneInput): PlanPrune | undefined {
  if (plan === undefined) return undefined;
  return {
    enabled,
    dryRun,
    notes: [...notes],
    images: plan.images.map(toImage),
    leftovers: toLeftovers(leftovers),
    totals: toTotals(plan),
  };
}

function toImage({ imageId, names, decision, lastUsedAt, lastUsedFrom, ...bytes }: PlannedImage): PlanPruneImage {
  return {
    imageId,
    names,
    decision,
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt).toISOString() }),
    ...(lastUsedFrom === undefined ? {} : { lastUsedFrom }),
    sizeBytes: bytes.sizeBytes,
    freesBytes: bytes.freesBytes,
    cumulativeBytes: bytes.cumulativeBytes,
  };
}

function toLeftovers(leftovers: readonly Leftover[]): PlanLeftovers[] {
  return leftoverKinds.flatMap((kind) => {
    const found = leftovers.filter((leftover) => leftover.kind === kind);
    if (found.length === 0) return [];
    return {
      kind,
      count: found.length,
      bytes: found.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
      unknownSizes: found.filter(({ bytes }) => bytes === undefined).length,
    };
  });
}

function toTotals({ images, ...plan }: PrunePlan): PlanPruneTotals {
  const removed = images.filter(({ decision }) => decision.kind === 'remove');
  return {
    remove: removed.length,
    keep: images.length - removed.length,
    freesBytes: removed.reduce((sum, { freesBytes }) => sum + freesBytes, 0),
    reclaimableBytes: plan.reclaimableBytes,
    targetBytes: plan.targetBytes,
    targetInodes: plan.targetInodes,
    shortfallBytes: plan.shortfallBytes,
    shortfallInodes: plan.shortfallInodes,
  };
}
