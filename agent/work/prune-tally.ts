import type { Logger } from '../core/logger.ts';
import type { PlannedImage, PrunePlan, RemoveReason } from '../core/prune-plan.ts';
import type { PruneRoundEvent } from '../core/prune-round.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { RemovalOutcome } from './image-remover.ts';
import type { PruneResult, PruneRun } from './pruner.ts';

type Done = PruneRoundEvent & { readonly kind: 'done' };

/** Counts what a run does and tells it: one event and one line in the log for each image. */
export class PruneTally {
  readonly #run: Pick<PruneRun, 'trigger' | 'dryRun' | 'onEvent'>;
  readonly #log: Logger;
  #first: PrunePlan | undefined;
  #removed = 0;
  #failed = 0;
  #reclaimedBytes = 0;
  #nominalBytes = 0;
  #shortfallBytes = 0;
  #shortfallInodes = 0;
  #broken = false;
  /** Of what the first plan removes, what has become of it is told once. */
  readonly #told = new Set<string>();
  #skipped = 0;

  constructor(run: Pick<PruneRun, 'trigger' | 'dryRun' | 'onEvent'>, log: Logger) {
    this.#run = run;
    this.#log = log;
  }

  get removed(): number {
    return this.#removed;
  }

  get targetBytes(): number {
    return this.#first?.targetBytes ?? 0;
  }

  planned(plan: PrunePlan): void {
    this.#shortfallBytes = plan.shortfallBytes;
    this.#shortfallInodes = plan.shortfallInodes;
    if (this.#first === undefined) {
      this.#first = plan;
      this.#tellPlan(plan);
      return;
    }
    const removals = this.#first.images.filter(isRemoval);
    const wanted = new Set(removals.map(({ imageId }) => imageId));
    const here = new Set(plan.images.map(({ imageId }) => imageId));
    for (const image of removals) if (!here.has(image.imageId)) this.#skip(image, 'absent');
    for (const image of plan.images) {
      if (!wanted.has(image.imageId) || image.decision.kind === 'remove') continue;
      // Kept because the target is met is no change of mind.
      if (image.decision.reason === 'not_needed') continue;
      this.#skip(image, image.decision.reason);
    }
  }

  tried(image: PlannedImage, reason: RemoveReason, outcome: RemovalOutcome): void {
    const { imageId, names } = image;
    switch (outcome.kind) {
      case 'removed': {
        const { reclaimedBytes, seconds } = outcome;
        this.#removed += 1;
        this.#told.add(imageId);
        this.#reclaimedBytes += reclaimedBytes;
        this.#nominalBytes += image.sizeBytes;
        this.#run.onEvent({ kind: 'removed', imageId, names, reason, reclaimedBytes, seconds });
        const lastUsed = image.lastUsedAt === undefined ? undefined : new Date(image.lastUsedAt).toISOString();
        this.#log.info(
          { imageId, names, reason, lastUsed, lastUsedFrom: image.lastUsedFrom, reclaimedBytes, seconds },
          'image removed',
        );
        return;
      }
      case 'skipped':
        this.#skip(image, outcome.reason);
        return;
      case 'failed': {
        const { code, message } = outcome.failure;
        this.#failed += 1;
        this.#told.add(imageId);
        this.#run.onEvent({ kind: 'failed', imageId, names, message });
        this.#log.warn({ imageId, names, code, error: message }, 'image not removed');
      }
    }
  }

  /** The run ended before its time. */
  broke(): void {
    this.#broken = true;
  }

  finish(filesystemFreedBytes: number): Done {
    const { outcome, shortfallBytes, shortfallInodes } = this.result;
    return {
      kind: 'done',
      outcome,
      dryRun: this.#run.dryRun,
      removed: this.#removed,
      skipped: this.#skipped,
      failed: this.#failed,
      shortfallBytes,
      shortfallInodes,
      reclaimedBytes: this.#reclaimedBytes,
      filesystemFreedBytes,
      nominalBytes: this.#nominalBytes,
    };
  }

  get result(): PruneResult {
    return {
      outcome: this.#outcome(),
      targetBytes: this.targetBytes,
      shortfallBytes: this.#shortfallBytes,
      shortfallInodes: this.#shortfallInodes,
    };
  }

  #outcome(): RoundOutcome {
    const missesTarget = this.#shortfallBytes > 0 || this.#shortfallInodes > 0;
    const fellShort = this.#failed > 0 || this.#broken || (missesTarget && !this.#run.dryRun);
    if (!fellShort) return this.#removed === 0 ? 'noop' : 'success';
    if (this.#removed > 0) return 'partial';
    return this.#failed > 0 || this.#broken ? 'error' : 'partial';
  }

  #tellPlan({ images, targetBytes, shortfallBytes }: PrunePlan): void {
    const { dryRun, trigger, onEvent } = this.#run;
    const removals = images.filter(isRemoval);
    const bytes = removals.at(-1)?.cumulativeBytes ?? 0;
    onEvent({ kind: 'planned', dryRun, images: removals.length, bytes, targetBytes, shortfallBytes });
    this.#log.info({ trigger, dryRun, images: removals.length, bytes, targetBytes, shortfallBytes }, 'prune planned');
    if (!dryRun) return;
    for (const { imageId, names, decision, freesBytes } of removals) {
      if (decision.kind !== 'remove') continue;
      onEvent({ kind: 'would_remove', imageId, names, reason: decision.reason, freesBytes });
      this.#log.info({ imageId, names, reason: decision.reason, freesBytes }, 'image would be removed (dry run)');
    }
  }

  #skip({ imageId, names }: PlannedImage, reason: (PruneRoundEvent & { kind: 'skipped' })['reason']): void {
    if (this.#told.has(imageId)) return;
    this.#told.add(imageId);
    this.#skipped += 1;
    this.#run.onEvent({ kind: 'skipped', imageId, names, reason });
    this.#log.info({ imageId, names, reason }, 'image kept after all');
  }
}

function isRemoval({ decision }: PlannedImage): boolean {
  return decision.kind === 'remove';
}
