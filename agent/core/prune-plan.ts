/** What pruning does with every image of the node, and why: data that the executor, the dry run and the metrics share. */

import type { PartStore } from './image-parts.ts';
import type { UsageSource } from './usage.ts';

export const removeReasons = ['age', 'space', 'inodes', 'critical', 'manual'] as const;
export type RemoveReason = (typeof removeReasons)[number];

/** The first that fits is the one that is told. */
export const keepReasons = [
  'in_use',
  'desired',
  'pulling',
  'infrastructure',
  'pinned',
  'keep_rule',
  'too_young',
  'keep_newest',
  'unknown_use',
  'recently_used',
  'not_needed',
] as const;
export type KeepReason = (typeof keepReasons)[number];

export type PruneDecision =
  | { readonly kind: 'remove'; readonly reason: RemoveReason }
  | { readonly kind: 'keep'; readonly reason: KeepReason };

export interface PlannedImage {
  readonly imageId: string;
  /** Tags, then digests; empty for an image that nothing names. */
  readonly names: readonly string[];
  /** As the runtime says it: nominal. */
  readonly sizeBytes: number;
  readonly decision: PruneDecision;
  /** Epoch ms; undefined: unknown. */
  readonly lastUsedAt: number | undefined;
  readonly lastUsedFrom: UsageSource | undefined;
  /** Bytes that come back when it goes at this point of the plan: shared parts count where their last user goes. 0 for what is kept. */
  readonly freesBytes: number;
  /** Bytes that have come back when it is gone, all before it included. 0 for what is kept. */
  readonly cumulativeBytes: number;
}

export interface PrunePlan {
  /** Epoch ms that the plan was made for. */
  readonly at: number;
  /** What is removed, in that order, then what is kept. Every image of the node is here once. */
  readonly images: readonly PlannedImage[];
  /** Bytes that have to come back; 0 where the plan is not after space. */
  readonly targetBytes: number;
  /** Inodes that have to come back; 0 where the plan is not after them. */
  readonly targetInodes: number;
  /** What would be missing of the target when all that may go has gone. */
  readonly shortfallBytes: number;
  readonly shortfallInodes: number;
  /** What would come back if everything went that no protection holds, whatever its age. */
  readonly reclaimableBytes: number;
  /** Bytes of all images, shared parts once, by where they are stored. */
  readonly diskBytes: Readonly<Record<PartStore, number>>;
}
