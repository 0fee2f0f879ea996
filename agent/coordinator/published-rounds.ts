import type { Logger } from '../core/logger.ts';

export interface PublishedRoundsParts {
  /** Epoch ms of a round whose findings the nodes can see now, whole. */
  readonly onRound: (at: number) => void;
  readonly log: Logger;
}

/**
 * Tells of a round only once what it found is published: nodes leave everything to whoever tells of rounds. A leader that cannot publish keeps the
 * Lease, since every other agent has the same rights, and the nodes soon go on by themselves.
 */
export class PublishedRounds {
  readonly #parts: PublishedRoundsParts;
  #foundAt: number | undefined;
  /** Since when something cannot be published, monotonic ms. */
  #failingSince: number | undefined;
  #isSaid = false;

  constructor(parts: PublishedRoundsParts) {
    this.#parts = parts;
  }

  /** A leader's first round comes next. */
  begin(): void {
    this.#foundAt = undefined;
    this.#failingSince = undefined;
    this.#isSaid = false;
  }

  /** A round is done, and not yet published. */
  found(): void {
    this.#foundAt = Date.now();
  }

  /**
   * After each attempt to publish all that is known.
   * @param intervalMs what cannot be published for so long is no hiccup, ms
   */
  attempted(isWhole: boolean, intervalMs: number): void {
    const { onRound, log } = this.#parts;
    if (!isWhole) {
      this.#failingSince ??= performance.now();
      if (this.#isSaid || performance.now() - this.#failingSince < intervalMs) return;
      this.#isSaid = true;
      log.error(
        {},
        "this agent coordinates and cannot publish what it resolves: each node resolves for itself until it can; look at the ConfigMaps and at the agent's rights",
      );
      return;
    }
    if (this.#isSaid) log.info({}, 'what this agent resolves is published again');
    this.#failingSince = undefined;
    this.#isSaid = false;
    if (this.#foundAt === undefined) return;
    onRound(this.#foundAt);
    this.#foundAt = undefined;
  }
}
