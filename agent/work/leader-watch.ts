/** Who resolves for all. */
export interface Leadership {
  /**
   * `led`: somebody does, perhaps this agent itself; `lost`: nobody, as far as is known; `alone`: nobody ever will; `off`: there is
   * nothing to resolve.
   */
  readonly state: 'led' | 'lost' | 'alone' | 'off';
  /** When what was found was last published whole, epoch ms by the leader's clock; undefined: not yet, as far as this agent knows. */
  readonly resolvedAt: number | undefined;
}

/** `starting`: nobody is known to lead, perhaps only because nobody has been asked yet; `lost`: also one who leads and publishes nothing. */
export type Led = Leadership['state'] | 'starting';

/** After the start nobody may be known to lead only because nobody has been asked yet. */
const startPatienceMs = 20_000;
/** Who leads and publishes nothing for so many intervals leads nobody. */
const staleIntervals = 3;
/**
 * With a short interval too: its Lease, 120 s, is written every 40 s and read once in 120 s by everybody else, so that what it tells comes as late as
 * that, and later where a request fails.
 */
const toldLateMs = 240_000;

/**
 * Whether somebody resolves for this node. Other nodes' clocks say nothing: whoever leads is believed as long as what it tells goes on changing, by
 * this node's own monotonic clock. A next leader gets no new time for telling nothing.
 */
export class LeaderWatch {
  readonly #leadership: () => Leadership;
  readonly #intervalMs: () => number;
  /** From when it was asked who leads, monotonic ms. */
  #startedAt: number | undefined;
  /** What whoever leads told last, and when that was new here, monotonic ms. */
  #heard: { readonly resolvedAt: number | undefined; readonly at: number } | undefined;

  /** @param intervalMs how often everything is resolved, ms */
  constructor(leadership: () => Leadership, intervalMs: () => number) {
    this.#leadership = leadership;
    this.#intervalMs = intervalMs;
  }

  /** As it is now; to be asked every few seconds. */
  look(): Led {
    const { state, resolvedAt } = this.#leadership();
    const now = performance.now();
    if (state === 'off') this.#startedAt = undefined;
    else this.#startedAt ??= now;
    if (state === 'off' || state === 'alone') {
      this.#heard = undefined;
      return state;
    }
    if (state === 'lost') return now - (this.#startedAt ?? now) < startPatienceMs ? 'starting' : 'lost';
    if (this.#heard === undefined || this.#heard.resolvedAt !== resolvedAt) this.#heard = { resolvedAt, at: now };
    const intervalMs = this.#intervalMs();
    const silenceMs = Math.max(staleIntervals * intervalMs, toldLateMs + intervalMs);
    return now - this.#heard.at < silenceMs ? 'led' : 'lost';
  }
}
