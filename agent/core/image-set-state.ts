/** How far a selected image set is on this node: what labels, condition, Events and gate are made from. */

import { type Desired, referencesOf } from './desired-images.ts';
import type { FailureCode } from './failure.ts';
import type { Backoff } from './pull-planner.ts';
import type { PullPlan } from './pull-plan.ts';

export interface MissingImage {
  readonly reference: string;
  /** `queued`, `running`, a wait reason of the pull plan, or `refused`. */
  readonly why: string;
  /** Undefined: it has not failed. */
  readonly failure: FailureCode | undefined;
  readonly message: string | undefined;
}

export interface ImageSetState {
  readonly name: string;
  readonly gate: boolean;
  /** Distinct images that the set asks for. */
  readonly images: number;
  /** Those of them that are not here whole; empty: the set is ready. A tag that moved is here until the new image has replaced it. */
  readonly missing: readonly MissingImage[];
}

/**
 * The selected sets, in the configuration's order.
 * @param wholeNames every name of an image that is here whole
 * @param failures of the latest attempt, by reference: an image that is being tried again has still failed
 */
export function toImageSetStates(
  desired: Desired,
  plan: PullPlan,
  wholeNames: ReadonlySet<string>,
  failures: ReadonlyMap<string, Backoff> = new Map(),
): ImageSetState[] {
  const missing = new Map<string, MissingImage>();
  const add = (reference: string, why: string, failure?: FailureCode, message?: string): void => {
    const last = failure === undefined ? failures.get(reference)?.failure : undefined;
    missing.set(reference, { reference, why, failure: failure ?? last?.code, message: last?.message ?? message });
  };
  for (const { reference, state } of plan.pulls) add(reference, state === 'running' ? 'running' : 'queued');
  for (const { reference, reason, failure, message } of plan.waiting) add(reference, reason, failure, message);
  for (const { reference, code, message } of plan.refused) add(reference, 'refused', code, message);
  return desired.selected.map((set) => {
    const references = referencesOf(set);
    return {
      name: set.name,
      gate: set.gate,
      images: references.length,
      missing: references
        .filter((reference) => !wholeNames.has(reference))
        .map(
          (reference) => missing.get(reference) ?? { reference, why: 'queued', failure: undefined, message: undefined },
        ),
    };
  });
}
