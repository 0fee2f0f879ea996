import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { isAboveWatermark, type PruneRequest } from '../core/prune-goals.ts';
import { wholeRequest } from '../core/prune-request.ts';
import type { PruneTrigger } from '../core/prune-round.ts';
import { isAgeRunDue } from '../core/prune-schedule.ts';
import { sleep } from '../core/sleep.ts';
import type { Announce } from '../core/node-event.ts';
import type { PruneSubject } from './prune-view.ts';
import type { Pruner, PruneResult } from './pruner.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface PruneJobParts {
  readonly pruner: Pick<Pruner, 'run' | 'plan' | 'isRunning'>;
  readonly usage: Pick<UsageTracker, 'problem' | 'ageRunAt' | 'trackedSince' | 'saveIfDue' | 'ageRan'>;
  readonly nodeName: string;
  readonly subject: () => PruneSubject | undefined;
  readonly readFilesystem: (info: PruneSubject['connected']['info']) => Promise<ImageFilesystem | undefined>;
  /** A run has ended: what waits for room may go on. */
  readonly onDone: () => void;
  readonly announce?: Announce | undefined;
  readonly log: Logger;
}

/** A run that could not reach its target is tried again after this long, then twice as long, …; most of what fills a disk is no image. */
const firstRetryMs = 60_000;
const lastRetryMs = 600_000;
/** A plan lists everything on the node; nothing on it changes fast enough to pay that more often. */
const planEveryMs = 1_800_000;
/** Nothing else tells that a disk fills up. */
const beatMs = 30_000;

/** Decides when pruning runs by itself: on schedule, when the disk is full, when a pull needs room. */
export class PruneJob {
  readonly #parts: PruneJobParts;
  #firstCheck = true;
  #plannedAt = Number.NEGATIVE_INFINITY;
  #needBytes = 0;
  #retryMs = firstRetryMs;
  /** On the monotonic clock, as every wait here. */
  #holdUntil = Number.NEGATIVE_INFINITY;
  #ageHoldUntil = Number.NEGATIVE_INFINITY;
  #heldBecause: 'space' | 'critical' | undefined;
  /** Room was asked for, and no run has tried since. */
  #roomIsPending = false;
  /** The disk could not be brought down, and that was said. */
  #missSaid = false;
  #wake = new AbortController();

  constructor(parts: PruneJobParts) {
    this.#parts = parts;
  }

  /** Bytes that the next pull needs below the high watermark; 0: none waits for room. */
  makeRoom(needBytes: number): void {
    const grew = needBytes > this.#needBytes;
    this.#needBytes = needBytes;
    if (needBytes === 0) this.#roomIsPending = false;
    if (!grew || this.#isHeld) return;
    this.#roomIsPending = true;
    this.#wake.abort();
  }

  get isMakingRoom(): boolean {
    return this.#needBytes > 0 && (this.#roomIsPending || this.#parts.pruner.isRunning);
  }

  get #isHeld(): boolean {
    return performance.now() < this.#holdUntil;
  }

  /** Other settings may let go what these keep. */
  settingsChanged(): void {
    this.#holdUntil = Number.NEGATIVE_INFINITY;
    this.#ageHoldUntil = Number.NEGATIVE_INFINITY;
    this.#retryMs = firstRetryMs;
    this.#wake.abort();
  }

  /** @param roomOnly for whoever only pulls: makes room when it is asked for, and nothing else */
  async run(signal: AbortSignal, roomOnly = false): Promise<void> {
    while (!signal.aborted) {
      await sleep(beatMs, AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      if (signal.aborted) return;
      await this.check(signal, roomOnly);
    }
  }

  /** One look at clock and disk, and the run that follows from it. Never throws. */
  async check(signal: AbortSignal, roomOnly = false): Promise<void> {
    const { subject: readSubject, usage, log, pruner } = this.#parts;
    await usage.saveIfDue();
    const subject = readSubject();
    const canRun = subject !== undefined && !pruner.isRunning && subject.settings.enabled && subject.hold === undefined;
    const due = canRun ? await this.#findDue(subject, roomOnly) : undefined;
    if (subject === undefined || due === undefined) {
      // What runs now was not asked for this room: it is tried after that.
      if (!pruner.isRunning) this.#roomIsPending = false;
      if (subject !== undefined && !pruner.isRunning && !roomOnly) await this.#planAgain(signal);
      return;
    }
    this.#plannedAt = performance.now();
    try {
      const result = await pruner.run({ ...due, dryRun: subject.settings.dryRun, onEvent: () => undefined }, signal);
      if (due.request.age) await usage.ageRan(Date.now());
      this.#settle(due.trigger, due.request, result, subject.settings.dryRun);
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = Failure.from(error);
      log.error({ code, error: message }, 'prune failed');
      this.#hold(due.trigger === 'critical');
      if (due.request.age) this.#ageHoldUntil = performance.now() + lastRetryMs;
    }
    // More may have been asked for since.
    if (this.#needBytes <= due.request.needBytes) this.#roomIsPending = false;
    this.#parts.onDone();
  }

  /** So that metrics and readers see what would go, also on a node where nothing does. */
  async #planAgain(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#plannedAt < planEveryMs) return;
    this.#plannedAt = performance.now();
    try {
      await this.#parts.pruner.plan(wholeRequest, signal);
    } catch (error) {
      if (!signal.aborted) this.#parts.log.debug({ error: Failure.from(error).message }, 'no prune plan');
    }
  }

  async #findDue(
    subject: PruneSubject,
    roomOnly: boolean,
  ): Promise<{ trigger: PruneTrigger; request: PruneRequest; paced: boolean } | undefined> {
    const { settings, connected } = subject;
    const { usage, nodeName } = this.#parts;
    const filesystem = await this.#parts.readFilesystem(connected.info);
    const since = usage.ageRunAt ?? usage.trackedSince;
    const mayAge = !roomOnly && usage.problem === undefined && performance.now() >= this.#ageHoldUntil;
    const age = mayAge && isAgeRunDue(settings, nodeName, since, Date.now());
    const isFirst = this.#firstCheck;
    this.#firstCheck = false;
    const isAbove = (level: 'high' | 'critical'): boolean =>
      filesystem !== undefined && isAboveWatermark(filesystem, settings.watermarks[level]);
    const critical = !roomOnly && isAbove('critical');
    const space = critical || (!roomOnly && isAbove('high'));
    if (!space && this.#needBytes === 0) this.#retryMs = firstRetryMs;
    const isHeld = this.#isHeld && !(critical && this.#heldBecause === 'space');
    const needBytes = filesystem === undefined || isHeld ? 0 : this.#needBytes;
    const spaceNow = space && !isHeld;
    if (!age && !spaceNow && needBytes === 0) return undefined;
    const request: PruneRequest = {
      age,
      space: spaceNow ? 'watermarks' : 'none',
      needBytes,
      untilFreeBytes: undefined,
    };
    const scheduled = isFirst ? 'startup' : 'interval';
    const trigger = critical && spaceNow ? 'critical' : spaceNow || needBytes > 0 ? 'watermark' : scheduled;
    return { trigger, request, paced: trigger !== 'critical' && needBytes === 0 };
  }

  #settle(
    trigger: PruneTrigger,
    { space, needBytes }: PruneRequest,
    { targetBytes, shortfallBytes, shortfallInodes }: PruneResult,
    dryRun: boolean,
  ): void {
    if (space === 'none' && needBytes === 0) return;
    const missed = shortfallBytes > 0 || shortfallInodes > 0;
    if (missed || dryRun) this.#hold(trigger === 'critical');
    else this.#retryMs = firstRetryMs;
    if (space === 'none' || dryRun) return;
    if (missed && !this.#missSaid) {
      this.#parts.announce?.({ kind: 'prune_target_missed', targetBytes, shortfallBytes });
    }
    this.#missSaid = missed;
  }

  #hold(critical: boolean): void {
    this.#holdUntil = performance.now() + this.#retryMs;
    this.#heldBecause = critical ? 'critical' : 'space';
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2);
  }
}
