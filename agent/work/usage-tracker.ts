import { Failure } from '../core/failure.ts';
import type { LedgerRemoval } from '../core/ledger.ts';
import { leftoverKey } from '../core/ledger.ts';
import type { Leftover } from '../core/leftovers.ts';
import type { Logger } from '../core/logger.ts';
import type { RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import {
  advanceWatch,
  emptyUsage,
  type LastUse,
  lastUseOf,
  recordUsage,
  retainUsage,
  type UsageEvidence,
  type UsageState,
} from '../core/usage.ts';
import type { RuntimeEvent } from '../runtime/runtime.ts';
import { ContainerImages } from './container-images.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { Recorder } from './recorder.ts';

export interface UsageTrackerParts {
  /** Undefined: the state folder cannot be used, and nothing is kept. */
  readonly store: LedgerStore | undefined;
  readonly recorder: Pick<Recorder, 'usageRecords' | 'usageStateSaveFailed' | 'prefetchedUsed' | 'prefetchedUnused'>;
  readonly log: Logger;
}

/** Losing this much evidence to a kill makes an image look older by no more. */
const saveEveryMs = 60_000;
/** The loop comes around far more often: a longer gap is a process that was stopped, and nothing was watched. */
const longestGapMs = 600_000;

/** Learns from listings and events when each image was last used, and keeps it on disk. */
export class UsageTracker {
  readonly #parts: UsageTrackerParts;
  readonly #containers = new ContainerImages();
  #usage: UsageState = emptyUsage;
  #startedAt = Date.now();
  #startedWatchMs = 0;
  #seenUntil: number | undefined;
  #trackedSince = Date.now();
  #ageRunAt: number | undefined;
  #removal: LedgerRemoval | undefined;
  #leftovers = new Map<string, number>();
  /** On the monotonic clock; undefined while nothing is watched. */
  #watchedTo: number | undefined;
  #dirty = false;
  #savedAt = Number.NEGATIVE_INFINITY;
  #problem: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: UsageTrackerParts) {
    this.#parts = parts;
  }

  /** Reads the ledger; with none, everything counts from now. Never throws. */
  async load(): Promise<void> {
    const { store, log } = this.#parts;
    if (store === undefined) {
      this.#problem = 'the state folder cannot be used';
      return;
    }
    try {
      const ledger = await store.load();
      if (ledger === undefined) return await this.#save();
      this.#usage = ledger.usage;
      this.#startedWatchMs = ledger.usage.watchMs;
      this.#seenUntil = ledger.savedAt;
      this.#trackedSince = ledger.trackedSince;
      this.#ageRunAt = ledger.ageRunAt;
      this.#removal = ledger.removal;
      this.#leftovers = new Map(ledger.leftovers);
      this.#containers.setImages([], ledger.usage.records.keys());
    } catch (error) {
      this.#problem = Failure.from(error).message;
      log.error({ error: this.#problem }, 'the usage ledger cannot be used: nothing is pruned by age');
    }
  }

  /** Why last use is not kept over a restart, so that age must not decide; undefined: it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** When pruning by age last ran by itself, epoch ms; undefined: not yet. */
  get ageRunAt(): number | undefined {
    return this.#ageRunAt;
  }

  /** Since when last use is observed on this node, epoch ms. */
  get trackedSince(): number {
    return this.#trackedSince;
  }

  /** A removal that the process before this one began and did not see end. */
  get cutRemoval(): LedgerRemoval | undefined {
    return this.#removal;
  }

  get lastUses(): ReadonlyMap<string, LastUse> {
    this.#advance();
    const lastUses = new Map<string, LastUse>();
    for (const id of this.#usage.records.keys()) {
      const lastUse = lastUseOf(this.#usage, id);
      if (lastUse !== undefined) lastUses.set(id, lastUse);
    }
    return lastUses;
  }

  /** The runtime answers from here on, and its events are heard. */
  startWatching(): void {
    this.#watchedTo ??= performance.now();
  }

  /** It is gone: time does not count until it is back. */
  stopWatching(): void {
    this.#advance();
    this.#watchedTo = undefined;
  }

  /** Takes a full listing in. */
  observe(images: readonly RuntimeImage[], containers: readonly RuntimeContainer[]): void {
    this.#containers.setImages(images, []);
    const seen = images.map(({ id }): UsageEvidence => ({ imageId: id, source: 'first_seen', at: undefined }));
    this.#record([...seen, ...this.#containers.toEvidence(containers)]);
    const retained = retainUsage(this.#usage, new Set(images.map(({ id }) => id)));
    if (retained !== this.#usage) this.#dirty = true;
    this.#usage = retained;
    this.#report();
  }

  /** A container that comes and goes between two listings is seen here only. */
  hear(event: RuntimeEvent): void {
    const evidence = this.#containers.hear(event);
    if (evidence.length > 0) this.#record(evidence);
  }

  pulled(imageId: string): void {
    this.#record([{ imageId, source: 'pulled', at: undefined }]);
    this.#report();
  }

  /** Epoch ms since when this leftover is unused: as its runtime says, or since we first saw it so, in watched time. */
  unusedForMs(leftover: Leftover, now: number): number {
    if (leftover.unusedSince !== undefined) return Math.max(0, now - leftover.unusedSince);
    this.#advance();
    const key = leftoverKey(leftover.kind, leftover.id);
    const since = this.#leftovers.get(key);
    if (since !== undefined) return this.#usage.watchMs - since;
    this.#leftovers.set(key, this.#usage.watchMs);
    this.#dirty = true;
    return 0;
  }

  /** Forgets leftovers of these kinds that are gone or in use again. */
  retainLeftovers(found: readonly Leftover[]): void {
    const keys = new Set(found.map(({ kind, id }) => leftoverKey(kind, id)));
    for (const key of this.#leftovers.keys()) if (!keys.has(key)) this.#leftovers.delete(key);
  }

  /** Written down before the first name goes. Never throws: the runtime may remember too. */
  async beginRemoval(removal: LedgerRemoval): Promise<void> {
    this.#removal = removal;
    await this.#save();
  }

  /** Its end reaches the disk with the next save: undoing what was done does nothing. */
  endRemoval(): void {
    this.#removal = undefined;
    this.#dirty = true;
  }

  async ageRan(at: number): Promise<void> {
    this.#ageRunAt = at;
    await this.#save();
  }

  /** Saves now and then, when there is something to save. Never throws. */
  async saveIfDue(): Promise<void> {
    this.#advance();
    if (this.#dirty && performance.now() - this.#savedAt >= saveEveryMs) await this.#save();
  }

  /** The last save of this process. */
  async flush(): Promise<void> {
    this.#advance();
    await this.#save();
  }

  #record(evidence: readonly UsageEvidence[]): void {
    this.#advance();
    const before = this.#usage;
    const watch = {
      now: Date.now(),
      startedAt: this.#startedAt,
      startedWatchMs: this.#startedWatchMs,
      seenUntil: this.#seenUntil,
    };
    this.#usage = recordUsage(before, evidence, watch);
    if (this.#usage === before) return;
    this.#dirty = true;
    for (const id of new Set(evidence.map(({ imageId }) => imageId))) {
      const [was, is] = [before.records.get(id), this.#usage.records.get(id)];
      if (was?.used === false && is?.used === true && is.prefetched) this.#parts.recorder.prefetchedUsed(1);
    }
  }

  #advance(): void {
    if (this.#watchedTo === undefined) return;
    const now = performance.now();
    this.#usage = advanceWatch(this.#usage, Math.min(now - this.#watchedTo, longestGapMs));
    this.#watchedTo = now;
  }

  #report(): void {
    const { recorder } = this.#parts;
    const records = [...this.#usage.records.values()];
    recorder.usageRecords(records.length, this.#trackedSince);
    recorder.prefetchedUnused(records.filter(({ prefetched, used }) => prefetched && !used).length);
  }

  /** One at a time, in order. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write());
    return this.#saving;
  }

  async #write(): Promise<void> {
    const { store, recorder, log } = this.#parts;
    if (store === undefined) return;
    this.#dirty = false;
    this.#savedAt = performance.now();
    try {
      await store.save({
        usage: this.#usage,
        savedAt: Date.now(),
        trackedSince: this.#trackedSince,
        ageRunAt: this.#ageRunAt,
        removal: this.#removal,
        leftovers: this.#leftovers,
      });
      if (this.#problem !== undefined) log.info({}, 'the usage ledger is written again');
      this.#problem = undefined;
    } catch (error) {
      const problem = Failure.from(error).message;
      if (problem !== this.#problem) {
        log.error({ error: problem }, 'the usage ledger is not saved: nothing is pruned by age until it is');
      }
      this.#problem = problem;
      this.#dirty = true;
      recorder.usageStateSaveFailed();
    }
  }
}
