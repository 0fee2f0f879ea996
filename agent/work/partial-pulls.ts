import type { DesiredImage } from '../core/desired-images.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Lets go what aborted pulls left behind, except for what is still wanted and not here yet. */
export class PartialPulls {
  #kept: string | undefined;

  /** After a reconnect nothing is known of what the runtime keeps. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Asks the runtime only when the plan keeps others than last time. */
  async discard(
    { pulls, waiting }: PullPlan,
    desired: readonly DesiredImage[],
    runtime: Runtime,
    signal: AbortSignal,
  ): Promise<void> {
    const pulledAs = new Map(desired.map(({ reference, pullReference }) => [reference, pullReference]));
    const wanted = [...pulls, ...waiting].map(({ reference }) => reference);
    const keep = new Set(wanted.flatMap((reference) => [reference, pulledAs.get(reference) ?? reference]));
    const key = [...keep].toSorted().join(' ');
    if (key === this.#kept) return;
    await runtime.discardPartialPulls(keep, signal);
    this.#kept = key;
  }
}
