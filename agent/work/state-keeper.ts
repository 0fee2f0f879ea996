import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';

export interface StateKeeperParts<Content> {
  /** On disk when it returns, or the old one still is. @throws whatever the filesystem refuses */
  readonly save: (content: Content) => Promise<void>;
  /** For the log: `the last good configuration`. */
  readonly what: string;
  readonly log: Logger;
}

/** Between two writes: what is kept may change with every heartbeat of a Node. */
const writeGapMs = 5_000;
/** After a write that failed. */
const retryMs = 30_000;

/** Saves what it is given last, soon and seldom. Writing never overlaps itself, and what cannot be written is tried again. */
export class StateKeeper<Content> {
  readonly #parts: StateKeeperParts<Content>;
  #wanted: Content | undefined;
  #saved: Content | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(parts: StateKeeperParts<Content>) {
    this.#parts = parts;
  }

  /** What is on disk already need not be written. */
  startFrom(content: Content): void {
    this.#saved = content;
  }

  keep(content: Content): void {
    this.#wanted = content;
    if (this.#hasFailed && this.#timer !== undefined) return;
    this.#schedule(this.#savedAt + writeGapMs - performance.now());
  }

  /** What is wanted is on disk, or cannot be written, which has been said. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#write();
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined || !this.#isWanting()) return;
    this.#timer = setTimeout(() => void this.#write(), Math.max(0, delayMs));
    // Nothing lives on for it: who stops flushes.
    this.#timer.unref();
  }

  #isWanting(): boolean {
    return this.#wanted !== undefined && !isDeepStrictEqual(this.#wanted, this.#saved);
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const content = this.#wanted;
    if (content === undefined || !this.#isWanting()) return;
    this.#writing = this.#save(content);
    await this.#writing;
    this.#writing = undefined;
    this.#schedule(this.#hasFailed ? retryMs : writeGapMs);
  }

  async #save(content: Content): Promise<void> {
    const { save, what, log } = this.#parts;
    this.#savedAt = performance.now();
    try {
      await save(content);
      this.#saved = content;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) log.warn({ error: errorMessage(error) }, `${what} cannot be written; trying again`);
      this.#hasFailed = true;
    }
  }
}
