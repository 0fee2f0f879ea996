import { runtimeUnavailable } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { isAboveWatermark, type PruneGoal, type PruneRequest, toGoals } from '../core/prune-goals.ts';
import type { PlannedImage, PrunePlan } from '../core/prune-plan.ts';
import { planPrune } from '../core/prune-planner.ts';
import type { PruneRoundEvent, PruneTrigger } from '../core/prune-round.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import { sleep } from '../core/sleep.ts';
import type { RuntimeInfo } from '../runtime/runtime.ts';
import { measureGain } from './disk-gain.ts';
import { type ImageRemoverParts, removePlanned } from './image-remover.ts';
import { pruneLeftovers } from './leftover-pruner.ts';
import { PruneTally } from './prune-tally.ts';
import { lookForPrune, type PruneSubject, type PruneView, toPruneWorld } from './prune-view.ts';
import type { Recorder } from './recorder.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface PrunerParts extends Pick<ImageRemoverParts, 'lock' | 'subject' | 'credentialsFor'> {
  readonly usage: UsageTracker;
  readonly readFilesystem: (info: RuntimeInfo) => Promise<ImageFilesystem | undefined>;
  readonly recorder: Recorder;
  readonly log: Logger;
}

export interface PruneRun {
  readonly trigger: PruneTrigger;
  readonly request: PruneRequest;
  readonly dryRun: boolean;
  /** Rests between removals, so that the node's own work comes first. */
  readonly paced: boolean;
  readonly onEvent: (event: PruneRoundEvent) => void;
}

export interface PruneResult {
  readonly outcome: RoundOutcome;
  readonly targetBytes: number;
  readonly shortfallBytes: number;
  readonly shortfallInodes: number;
}

/** What the space tier could free, however much is asked. */
const everything: PruneRequest = {
  age: false,
  space: 'none',
  needBytes: Number.POSITIVE_INFINITY,
  untilFreeBytes: undefined,
};

/** As long as the removal took, so that the disk is ours half of the time at most. */
const longestRestMs = 5_000;

/** Carries prune runs out, one at a time: looks, plans, removes the first image of the plan, measures, and begins again. */
export class Pruner {
  readonly #parts: PrunerParts;
  #last: Promise<unknown> = Promise.resolve();
  #running = 0;
  #lastPlan: PrunePlan | undefined;

  constructor(parts: PrunerParts) {
    this.#parts = parts;
  }

  get isRunning(): boolean {
    return this.#running > 0;
  }

  /** Of the last run or question. */
  get lastPlan(): PrunePlan | undefined {
    return this.#lastPlan;
  }

  /** Plans without removing anything; undefined while configuration or runtime are not known. @throws Failure */
  async plan(request: PruneRequest, signal: AbortSignal): Promise<PrunePlan | undefined> {
    const plan = await this.#planFor(request, signal);
    if (plan === undefined) return undefined;
    this.#lastPlan = plan;
    this.#parts.recorder.prunePlanned(plan);
    return plan;
  }

  /** Bytes that could be freed for a pull now; 0 where pruning may not. @throws Failure */
  async reclaimableBytes(signal: AbortSignal): Promise<number> {
    const subject = this.#parts.subject();
    if (subject === undefined || isSwitchedOff({ dryRun: false }, subject)) return 0;
    const plan = await this.#planFor(everything, signal);
    return plan?.images.findLast(({ decision }) => decision.kind === 'remove')?.cumulativeBytes ?? 0;
  }

  /** Waits for the run before it. @throws Failure when the runtime is lost; `signal.reason` between two removals */
  run(run: PruneRun, signal: AbortSignal): Promise<PruneResult> {
    this.#running += 1;
    const running = this.#last
      .then(() => this.#run(run, signal))
      .finally(() => {
        this.#running -= 1;
      });
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #run(run: PruneRun, signal: AbortSignal): Promise<PruneResult> {
    const { recorder, log } = this.#parts;
    signal.throwIfAborted();
    const startedAt = performance.now();
    const filesystem = await this.#readFilesystem();
    const tally = new PruneTally(run, log);
    try {
      await this.#carryOut(run, tally, signal);
    } catch (error) {
      tally.broke();
      throw error;
    } finally {
      // An aborted run has freed what it has freed.
      const readFilesystem = (): Promise<ImageFilesystem | undefined> => this.#readFilesystem();
      const freed =
        tally.removed === 0 ? 0 : await measureGain(filesystem, readFilesystem, AbortSignal.timeout(longestRestMs));
      const done = tally.finish(freed);
      recorder.pruneRun({
        trigger: run.trigger,
        outcome: done.outcome,
        seconds: (performance.now() - startedAt) / 1000,
        at: Date.now(),
        targetBytes: tally.targetBytes,
        shortfallBytes: done.shortfallBytes,
        filesystemFreedBytes: freed,
      });
      log.info({ trigger: run.trigger, ...done }, run.dryRun ? 'prune planned (dry run)' : 'prune done');
      run.onEvent(done);
    }
    return tally.result;
  }

  async #carryOut(run: PruneRun, tally: PruneTally, signal: AbortSignal): Promise<void> {
    const { recorder, subject: readSubject } = this.#parts;
    const request = this.#withoutDoubtfulAge(run.request);
    const failed = new Set<string>();
    let goals: readonly PruneGoal[] | undefined;
    let view: PruneView | undefined;
    if (request.needBytes > 0 && !run.dryRun) {
      // What aborted pulls left is nobody's yet: it goes before any image does.
      const { connected, pullingSince } = this.#require(readSubject());
      await connected.runtime.discardPartialPulls(pullingSince(performance.now()), signal);
    }
    for (;;) {
      signal.throwIfAborted();
      const asked = this.#require(readSubject());
      view = await this.#look(asked, view, signal);
      // From here to the lock nothing waits: what is desired and being pulled is what the plan goes by.
      const subject = this.#require(readSubject());
      if (isSwitchedOff(run, subject)) return;
      goals ??= toGoals(view.filesystem, subject.settings, request);
      const plan = this.#plan(view, subject, goals, failed);
      recorder.prunePlanned(plan);
      this.#lastPlan = plan;
      tally.planned(plan);
      const next = plan.images[0];
      if (next?.decision.kind !== 'remove' || run.dryRun) break;
      const isGentle = run.paced && !isCritical(view, subject);
      const seconds = await this.#remove(next, subject, tally, failed, signal);
      if (isGentle) await sleep(Math.min(longestRestMs, seconds * 1000), signal);
    }
    if (request.age) await this.#pruneLeftovers(run, signal);
  }

  async #remove(
    image: PlannedImage,
    subject: PruneSubject,
    tally: PruneTally,
    failed: Set<string>,
    signal: AbortSignal,
  ): Promise<number> {
    if (image.decision.kind !== 'remove') return 0;
    const { reason } = image.decision;
    const outcome = await removePlanned(image, reason, subject, () => this.#readFilesystem(), this.#parts, signal);
    // Whatever it was, this run does not try it again.
    if (outcome.kind !== 'removed') failed.add(image.imageId);
    tally.tried(image, reason, outcome);
    return outcome.kind === 'removed' ? outcome.seconds : 0;
  }

  async #pruneLeftovers({ dryRun, onEvent }: PruneRun, signal: AbortSignal): Promise<void> {
    const { subject, usage, recorder, log } = this.#parts;
    const { settings, connected } = this.#require(subject());
    const isOff = (): boolean => isSwitchedOff({ dryRun }, this.#require(subject()));
    await pruneLeftovers(
      { settings, runtime: connected.runtime, dryRun, isOff, onEvent, usage, recorder, log },
      signal,
    );
  }

  async #planFor(request: PruneRequest, signal: AbortSignal): Promise<PrunePlan | undefined> {
    const subject = this.#parts.subject();
    if (subject === undefined) return undefined;
    const view = await this.#look(subject, undefined, signal);
    const goals = toGoals(view.filesystem, subject.settings, this.#withoutDoubtfulAge(request));
    return this.#plan(view, subject, goals, new Set());
  }

  /** Where last use is not kept over a restart, age must not decide, whoever asks. */
  #withoutDoubtfulAge(request: PruneRequest): PruneRequest {
    return { ...request, age: request.age && this.#parts.usage.problem === undefined };
  }

  #look(subject: PruneSubject, earlier: PruneView | undefined, signal: AbortSignal): Promise<PruneView> {
    return lookForPrune(subject, () => this.#readFilesystem(), earlier, signal);
  }

  #plan(view: PruneView, subject: PruneSubject, goals: readonly PruneGoal[], failed: ReadonlySet<string>): PrunePlan {
    const { usage } = this.#parts;
    usage.observe(view.images, view.containers);
    return planPrune(toPruneWorld(view, subject, usage.lastUses, failed), goals);
  }

  async #readFilesystem(): Promise<ImageFilesystem | undefined> {
    const subject = this.#parts.subject();
    return subject === undefined ? undefined : await this.#parts.readFilesystem(subject.connected.info);
  }

  #require(subject: PruneSubject | undefined): PruneSubject {
    if (subject !== undefined) return subject;
    throw runtimeUnavailable();
  }
}

/** The switches take effect between two removals; a dry run only looks. */
function isSwitchedOff({ dryRun }: Pick<PruneRun, 'dryRun'>, { settings, hold }: PruneSubject): boolean {
  return !dryRun && (!settings.enabled || settings.dryRun || hold !== undefined);
}

/** The disk fills faster than a gentle run empties it. */
function isCritical({ filesystem }: PruneView, { settings }: PruneSubject): boolean {
  return filesystem !== undefined && isAboveWatermark(filesystem, settings.watermarks.critical);
}
