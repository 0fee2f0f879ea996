import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { isAboveWatermark, type PruneRequest } from '../core/prune-goals.ts';
import type { PruneTrigger } from '../core/prune-round.ts';
import { isAgeRunDue } from '../core/prune-schedule.ts';
import { sleep } from '../core/sleep.ts';
import type { PruneSubject } from './prune-view.ts';
import type { Pruner } from './pruner.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface PruneJobParts {
  readonly pruner: Pick<Pruner, 'run' | 'isRunning'>;
  readonly usage: UsageTracker;
  readonly nodeName: string;
  readonly subject: () => PruneSubject | undefined;
  readonly readFilesystem: (info: PruneSubject['connected']['info']) => Promise<ImageFilesystem | undefined>;
  /** A run has ended: what waits for room may go on. */
  readonly onDone: () => void;
  readonly log: Logger;
}

/** A run that could not reach its target is tried again after this long, then twice as long, …; most of what fills a disk is no image. */
const firstRetryMs = 60_000;
const lastRetryMs = 600_000;
/** Nothing else tells that a disk fills up. */
const beatMs = 30_000;

/** Decides when pruning runs by itself: on schedule, when the disk is full, when a pull needs room. */
export class PruneJob {
  readonly #parts: PruneJobParts;
  #firstCheck = true;
  #needBytes = 0;
  #retryMs = firstRetryMs;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #heldBecause: 'space' | 'critical' | undefined;
  #wake = new AbortController();

  constructor(parts: PruneJobParts) {
    this.#parts = parts;
  }

  /** Bytes that the next pull needs below the high watermark; 0: none waits for room. */
  makeRoom(needBytes: number): void {
    const grew = needBytes > this.#needBytes;
    this.#needBytes = needBytes;
    if (grew) this.#wake.abort();
  }

  /** Other settings may let go what these keep. */
  settingsChanged(): void {
    this.#holdUntil = Number.NEGATIVE_INFINITY;
    this.#retryMs = firstRetryMs;
    this.#wake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(beatMs, AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      if (signal.aborted) return;
      await this.check(signal);
    }
  }

  /** One look at clock and disk, and the run that follows from it. Never throws. */
  async check(signal: AbortSignal): Promise<void> {
    const { subject: readSubject, usage, log, pruner } = this.#parts;
    await usage.saveIfDue();
    const subject = readSubject();
    if (subject === undefined || pruner.isRunning || !subject.settings.enabled) return;
    const due = await this.#findDue(subject);
    if (due === undefined) return;
    try {
      const { shortfallBytes } = await pruner.run(
        { ...due, dryRun: subject.settings.dryRun, onEvent: () => undefined },
        signal,
      );
      if (due.request.age) await usage.ageRan(Date.now());
      this.#settle(due.trigger, due.request, shortfallBytes, subject.settings.dryRun);
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = Failure.from(error);
      log.error({ code, error: message }, 'prune failed');
      this.#hold(due.trigger === 'critical');
    }
    this.#parts.onDone();
  }

  async #findDue(
    subject: PruneSubject,
  ): Promise<{ trigger: PruneTrigger; request: PruneRequest; paced: boolean } | undefined> {
    const { settings, connected } = subject;
    const { usage, nodeName } = this.#parts;
    const filesystem = await this.#parts.readFilesystem(connected.info);
    const since = usage.ageRunAt ?? usage.trackedSince;
    const age = usage.problem === undefined && isAgeRunDue(settings, nodeName, since, Date.now());
    const isFirst = this.#firstCheck;
    this.#firstCheck = false;
    const isAbove = (level: 'high' | 'critical'): boolean =>
      filesystem !== undefined && isAboveWatermark(filesystem, settings.watermarks[level]);
    const critical = isAbove('critical');
    const space = critical || isAbove('high');
    if (!space && this.#needBytes === 0) this.#retryMs = firstRetryMs;
    const isHeld = Date.now() < this.#holdUntil && !(critical && this.#heldBecause === 'space');
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

  #settle(trigger: PruneTrigger, { space, needBytes }: PruneRequest, shortfallBytes: number, dryRun: boolean): void {
    if (space === 'none' && needBytes === 0) return;
    if (shortfallBytes > 0 || dryRun) this.#hold(trigger === 'critical');
    else this.#retryMs = firstRetryMs;
  }

  #hold(critical: boolean): void {
    this.#holdUntil = Date.now() + this.#retryMs;
    this.#heldBecause = critical ? 'critical' : 'space';
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2);
  }
}
