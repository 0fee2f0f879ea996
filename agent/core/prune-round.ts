/** What one prune run tells whoever asked for it (`stevedore prune`), also over the control socket as JSON lines. */

import type { LeftoverKind } from './leftovers.ts';
import type { KeepReason, RemoveReason } from './prune-plan.ts';
import type { RoundOutcome } from './pull-round.ts';

export const pruneTiers = ['age', 'space', 'critical'] as const;
export type PruneTier = (typeof pruneTiers)[number];

/** What set a run off; a word of the metrics. */
export const pruneTriggers = ['interval', 'watermark', 'critical', 'startup', 'manual'] as const;
export type PruneTrigger = (typeof pruneTriggers)[number];

/** What a user asks of one run. */
export interface PruneOrder {
  /** Plan and tell, remove nothing; `prune.dryRun` in the configuration does the same to every run. */
  readonly dryRun: boolean;
  /** Undefined: age, and space as far as the watermarks ask for it. */
  readonly tier: PruneTier | undefined;
  /** Remove until this many bytes are free; undefined: as the watermarks say. */
  readonly untilFreeBytes: number | undefined;
}

/** Bytes that a run gave back, by three ways of counting that mean different things. */
export interface Reclaimed {
  /** Proven: containerd's accounting of parts that are gone, or on other runtimes the filesystem's gain around each removal. */
  readonly reclaimedBytes: number;
  /** What the filesystem has more free after the run than before, other writers included; never below 0. */
  readonly filesystemFreedBytes: number;
  /** The sum of the images' sizes as the runtime tells them, shared layers each time: comparable with the kubelet's figure. */
  readonly nominalBytes: number;
}

export type PruneRoundEvent =
  | {
      readonly kind: 'planned';
      readonly dryRun: boolean;
      /** How many images the plan removes, and what that would free. */
      readonly images: number;
      readonly bytes: number;
      readonly targetBytes: number;
      readonly shortfallBytes: number;
    }
  /** In a dry run: what would be removed, in order. */
  | {
      readonly kind: 'would_remove';
      readonly imageId: string;
      readonly names: readonly string[];
      readonly reason: RemoveReason;
      readonly freesBytes: number;
    }
  | {
      readonly kind: 'removed';
      readonly imageId: string;
      readonly names: readonly string[];
      readonly reason: RemoveReason;
      readonly reclaimedBytes: number;
      readonly seconds: number;
    }
  /** Was to be removed, and is kept after all: what changed meanwhile. */
  | {
      readonly kind: 'skipped';
      readonly imageId: string;
      readonly names: readonly string[];
      readonly reason: KeepReason | 'absent';
    }
  | {
      readonly kind: 'failed';
      readonly imageId: string;
      readonly names: readonly string[];
      readonly message: string;
    }
  | {
      readonly kind: 'leftover';
      readonly leftover: LeftoverKind;
      readonly name: string;
      readonly bytes: number | undefined;
      readonly outcome: 'removed' | 'would_remove' | 'skipped' | 'failed';
    }
  | ({
      readonly kind: 'done';
      readonly outcome: RoundOutcome;
      readonly dryRun: boolean;
      readonly removed: number;
      readonly skipped: number;
      readonly failed: number;
      /** What is still missing to the target; 0: it is met, or there was none. */
      readonly shortfallBytes: number;
      readonly shortfallInodes: number;
    } & Reclaimed);
