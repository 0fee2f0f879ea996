import type { Failure } from '../core/failure.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import type { PullRoundEvent, RoundOutcome } from '../core/pull-round.ts';

interface Round {
  readonly onEvent: (event: PullRoundEvent) => void;
  readonly finish: (outcome: RoundOutcome) => void;
  readonly fail: (failure: Failure) => void;
  readonly since: number;
  pulled: number;
  failed: number;
}

/** Those who asked for one round of pulls: they hear what happens until nothing is left that could be pulled now. */
export class Rounds {
  readonly #rounds = new Set<Round>();
  #looks = 0;

  /**
   * Follows the round that starts now. Resolves with its outcome; rejects with the Failure that ended it (runtime gone), or
   * with the signal's reason. Giving up following stops no pull.
   */
  follow(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#rounds.delete(round);
        signal.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal.reason);
      };
      const round: Round = {
        onEvent,
        finish: (outcome) => {
          leave();
          resolve(outcome);
        },
        fail: (failure) => {
          leave();
          reject(failure);
        },
        since: this.#looks,
        pulled: 0,
        failed: 0,
      };
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort, { once: true });
      this.#rounds.add(round);
    });
  }

  emit(event: PullRoundEvent): void {
    for (const round of this.#rounds) {
      if (event.kind === 'pulled') round.pulled += 1;
      if (event.kind === 'failed') round.failed += 1;
      round.onEvent(event);
    }
  }

  /** A look begins: rounds asked for from here on are not ended by its plan. */
  lookStarted(): number {
    this.#looks += 1;
    return this.#looks;
  }

  /** Ends the rounds that were asked for before this look, which found nothing more to pull now. */
  answer(look: number, plan: PullPlan): void {
    for (const round of this.#rounds) if (round.since < look) this.#end(round, plan);
  }

  fail(failure: Failure): void {
    for (const round of this.#rounds) round.fail(failure);
  }

  #end(round: Round, plan: PullPlan): void {
    const held = plan.pulls.map(({ reference }) => ({
      reference,
      reason: 'dry_run',
      message: 'prefetch.dryRun is true',
    }));
    const refused = plan.refused.map(({ reference, message }) => ({ reference, reason: 'refused', message }));
    const left = [...plan.waiting, ...refused, ...held];
    for (const { reference, reason, message } of left) round.onEvent({ kind: 'waiting', reference, reason, message });
    const outcome = toOutcome(round, left.length - held.length);
    const { pulled, failed } = round;
    round.onEvent({ kind: 'done', outcome, pulled, failed, waiting: left.length, present: plan.present.length });
    round.finish(outcome);
  }
}

/** `partial` when some of what was asked for is still missing, `error` when nothing came of it and something failed. */
function toOutcome({ pulled, failed }: Round, missing: number): RoundOutcome {
  if (missing === 0) return pulled === 0 ? 'noop' : 'success';
  if (pulled > 0) return 'partial';
  return failed > 0 ? 'error' : 'partial';
}
