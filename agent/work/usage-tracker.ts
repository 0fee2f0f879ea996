import { type Ledger, type LedgerRemoval, leftoverKey } from '../core/ledger.ts';
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
import { LedgerKeeper } from './ledger-keeper.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { Recorder } from './recorder.ts';

export interface UsageTrackerParts {
  readonly recorder: Pick<Recorder, 'usageRecords' | 'usageStateSaveFailed' | 'prefetchedUsed' | 'prefetchedUnused'>;
  readonly log: Logger;
}

/** The loop comes around far more often: a longer gap is a process that was stopped, and nothing was watched. */
const longestGapMs = 600_000;

/** Learns from listings and events when each image was last used, and keeps it on disk. */
export class UsageTracker {
  readonly #parts: UsageTrackerParts;
  readonly #keeper: LedgerKeeper;
  readonly #containers = new ContainerImages();
  #usage: UsageState = emptyUsage;
  /** The last full listing: on the watch clock, and in wall time, epoch ms. */
  #listedWatchMs = 0;
  #seenUntil: number | undefined;
  /** This run has listed everything itself. */
  #hasListed = false;
  /** By ids; a listing that was being made meanwhile does not have them. */
  readonly #pulledSinceListing = new Set<string>();
  #trackedSince = Date.now();
  #ageRunAt: number | undefined;
  #removal: LedgerRemoval | undefined;
  #leftovers = new Map<string, number>();
  /** On the monotonic clock; undefined while nothing is watched. */
  #watchedTo: number | undefined;

  constructor(parts: UsageTrackerParts) {
    this.#parts = parts;
    this.#keeper = new LedgerKeeper(parts.recorder, parts.log);
  }

  /**
   * Reads the ledger; with none, everything counts from now. Never throws.
   * @param store undefined: the state folder cannot be used, and nothing is kept
   */
  async load(store: LedgerStore | undefined): Promise<void> {
    const ledger = await this.#keeper.open(store);
    if (ledger === undefined) {
      if (this.problem === undefined) await this.#save();
      return;
    }
    this.#usage = ledger.usage;
    this.#listedWatchMs = ledger.usage.watchMs;
    this.#seenUntil = ledger.seenUntil;
    this.#trackedSince = ledger.trackedSince;
    this.#ageRunAt = ledger.ageRunAt;
    this.#removal = ledger.removal;
    this.#leftovers = new Map(ledger.leftovers);
    this.#containers.setImages([], ledger.usage.records.keys());
  }

  /** Why last use is not kept over a restart, so that age must not decide; undefined: it is. */
  get problem(): string | undefined {
    return this.#keeper.problem;
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

  /** How long this node has been watched in all, ms. */
  get watchedMs(): number {
    this.#advance();
    return this.#usage.watchMs;
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
    const retained = retainUsage(this.#usage, new Set([...images.map(({ id }) => id), ...this.#pulledSinceListing]));
    this.#pulledSinceListing.clear();
    this.#listedWatchMs = retained.watchMs;
    this.#seenUntil = Date.now();
    this.#hasListed = true;
    if (retained !== this.#usage) this.#keeper.touch();
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
    this.#pulledSinceListing.add(imageId);
    this.#report();
  }

  /** How long this leftover is unused, ms: as its runtime says, or since we first saw it so, in watched time. */
  unusedForMs(leftover: Leftover, now: number): number {
    if (leftover.unusedSince !== undefined) return Math.max(0, now - leftover.unusedSince);
    this.#advance();
    const key = leftoverKey(leftover.kind, leftover.id);
    const since = this.#leftovers.get(key);
    if (since !== undefined) return this.#usage.watchMs - since;
    this.#leftovers.set(key, this.#usage.watchMs);
    this.#keeper.touch();
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
    this.#keeper.touch();
  }

  async ageRan(at: number): Promise<void> {
    this.#ageRunAt = at;
    await this.#save();
  }

  /** Saves now and then, when there is something to save. Never throws. */
  async saveIfDue(): Promise<void> {
    this.#advance();
    await this.#keeper.saveIfDue(() => this.#ledger());
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
      newsSinceWatchMs: this.#listedWatchMs,
      // Within a run only news is told at all.
      seenUntil: this.#hasListed ? undefined : this.#seenUntil,
    };
    this.#usage = recordUsage(before, evidence, watch);
    if (this.#usage === before) return;
    this.#keeper.touch();
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

  #save(): Promise<void> {
    return this.#keeper.save(() => this.#ledger());
  }

  #ledger(): Ledger {
    return {
      usage: this.#usage,
      seenUntil: this.#seenUntil,
      trackedSince: this.#trackedSince,
      ageRunAt: this.#ageRunAt,
      removal: this.#removal,
      leftovers: this.#leftovers,
    };
  }
}
