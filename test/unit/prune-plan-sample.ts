import type { PlanPruneInput } from '../../agent/core/prune-document.ts';
import {
  type KeepReason,
  keepReasons,
  type PlannedImage,
  type PrunePlan,
  type RemoveReason,
} from '../../agent/core/prune-plan.ts';
import type { UsageSource } from '../../agent/core/usage.ts';

export const gibi = 2 ** 30;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

function imageId(letter: string): string {
  return `sha256:${letter.repeat(64)}`;
}

type Use = readonly [agoMs: number, from: UsageSource] | undefined;

function image(names: readonly string[], at: number, use: Use): Omit<PlannedImage, 'decision'> {
  return {
    imageId: imageId('a'),
    names,
    sizeBytes: 4 * gibi,
    lastUsedAt: use === undefined ? undefined : at - use[0],
    lastUsedFrom: use?.[1],
    freesBytes: 0,
    cumulativeBytes: 0,
  };
}

export const unplannedPrune: PlanPruneInput = {
  plan: undefined,
  enabled: true,
  dryRun: false,
  leftovers: [],
  notes: [],
};

/** A removal by every reason that a daemon has, with shared layers; then an image kept for every reason. */
export function samplePrune(at: number): PlanPruneInput & { readonly plan: PrunePlan } {
  const remove = (
    names: readonly string[],
    reason: RemoveReason,
    use: Use,
    freesBytes: number,
    cumulativeBytes: number,
  ): PlannedImage => ({
    ...image(names, at, use),
    decision: { kind: 'remove', reason },
    freesBytes,
    cumulativeBytes,
  });
  const uses: Partial<Record<KeepReason, Use>> = {
    in_use: [0, 'in_use'],
    desired: [dayMs, 'pulled'],
    recently_used: [90 * minuteMs, 'container_start'],
    too_young: [-minuteMs, 'pulled'],
  };
  return {
    enabled: true,
    dryRun: false,
    notes: [],
    leftovers: [
      { kind: 'lease', id: '1', name: 'l1', bytes: undefined, unusedSince: undefined },
      { kind: 'ingest', id: '2', name: 'i1', bytes: gibi, unusedSince: undefined },
      { kind: 'ingest', id: '3', name: 'i2', bytes: undefined, unusedSince: undefined },
    ],
    plan: {
      at,
      images: [
        remove(['r/old:1', 'r/old:2', `r/old@${imageId('b')}`], 'age', [9 * dayMs, 'container_exit'], gibi, gibi),
        remove([`r/team/app@${imageId('c')}`], 'space', [3 * dayMs, 'first_seen'], 3 * gibi, 4 * gibi),
        remove([], 'critical', [59 * minuteMs, 'container_start'], 0, 4 * gibi),
        ...keepReasons.map((reason) => ({
          ...image([`r/${reason.replaceAll('_', '-')}:1`], at, uses[reason]),
          decision: { kind: 'keep', reason } as const,
        })),
      ],
      targetBytes: 6 * gibi,
      targetInodes: 1000,
      shortfallInodes: 0,
      shortfallBytes: 2 * gibi,
      reclaimableBytes: 8 * gibi,
      diskBytes: { content: gibi, snapshot: gibi, layer: 0 },
    },
  };
}
