import { Failure } from '../core/failure.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Logger } from '../core/logger.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { Recorder } from './recorder.ts';

/** Losing this much evidence to a kill makes an image look older by no more. */
const saveEveryMs = 60_000;

/** Brings the ledger to disk, one save after the other, and says when that does not work. */
export class LedgerKeeper {
  readonly #recorder: Pick<Recorder, 'usageStateSaveFailed'>;
  readonly #log: Logger;
  #store: LedgerStore | undefined;
  #problem: string | undefined;
  #dirty = false;
  #savedAt = Number.NEGATIVE_INFINITY;
  #saving: Promise<void> = Promise.resolve();

  constructor(recorder: Pick<Recorder, 'usageStateSaveFailed'>, log: Logger) {
    this.#recorder = recorder;
    this.#log = log;
  }

  /** Why last use is not kept over a restart, so that age must not decide; undefined: it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Undefined where there is none to go on from. Never throws. @param store undefined: there is nowhere to keep it */
  async open(store: LedgerStore | undefined): Promise<Ledger | undefined> {
    this.#store = store;
    if (store === undefined) {
      this.#problem = 'the state folder cannot be used';
      return undefined;
    }
    try {
      return await store.load();
    } catch (error) {
      // What cannot be read now must not be overwritten: it may be read again by the next start.
      this.#store = undefined;
      this.#problem = Failure.from(error).message;
      this.#log.error({ error: this.#problem }, 'the usage ledger cannot be used: nothing is pruned by age');
      return undefined;
    }
  }

  /** There is something to save. */
  touch(): void {
    this.#dirty = true;
  }

  async saveIfDue(read: () => Ledger): Promise<void> {
    if (this.#dirty && performance.now() - this.#savedAt >= saveEveryMs) await this.save(read);
  }

  /** @param read what there is to save when its turn has come. Never throws. */
  save(read: () => Ledger): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write(read()));
    return this.#saving;
  }

  async #write(ledger: Ledger): Promise<void> {
    if (this.#store === undefined) {
      if (this.#problem !== undefined) this.#recorder.usageStateSaveFailed();
      this.#savedAt = performance.now();
      return;
    }
    this.#dirty = false;
    this.#savedAt = performance.now();
    try {
      await this.#store.save(ledger);
      if (this.#problem !== undefined) this.#log.info({}, 'the usage ledger is written again');
      this.#problem = undefined;
    } catch (error) {
      const problem = Failure.from(error).message;
      if (problem !== this.#problem) {
        this.#log.error({ error: problem }, 'the usage ledger is not saved: nothing is pruned by age until it is');
      }
      this.#problem = problem;
      this.#dirty = true;
      this.#recorder.usageStateSaveFailed();
    }
  }
}
