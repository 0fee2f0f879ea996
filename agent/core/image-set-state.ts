/** How far a selected image set is on this node: what labels, condition, Events and gate are made from. */

import type { Desired, UnresolvedPattern } from './desired-images.ts';
import type { FailureCode } from './failure.ts';
import type { Backoff } from './pull-planner.ts';
import type { PullPlan } from './pull-plan.ts';
import { formatPattern } from './repository-pattern.ts';

export interface MissingImage {
  /** Of a pattern: as `formatPattern` writes it. */
  readonly reference: string;
  /** `queued`, `running`, a wait reason of the pull plan, `refused`, or of a pattern `unresolved`. */
  readonly why: string;
  /** Undefined: it has not failed. */
  readonly failure: FailureCode | undefined;
  readonly message: string | undefined;
}

export interface ImageSetState {
  readonly name: string;
  readonly gate: boolean;
  /** Distinct images that the set asks for; a pattern that is not resolved yet counts as one. */
  readonly images: number;
  /** Those of them that are not here whole; empty: the set is ready. A tag that moved is here until the new image has replaced it. */
  readonly missing: readonly MissingImage[];
  /** Those that are here, and that their registry does not give out any more; absent: none. */
  readonly refused?: readonly RefusedHere[];
}

export interface RefusedHere {
  readonly reference: string;
  /** In the registry's own words. */
  readonly message: string;
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
  const refusals = new Map(
    plan.present.flatMap(({ reference, refusal }) =>
      refusal === undefined ? [] : [[reference, { reference, message: refusal.message }] as const],
    ),
  );
  return desired.selected.map(({ name, gate }) => {
    const references = desired.references.get(name) ?? [];
    const unresolved = desired.unresolved.filter(({ imageSet }) => imageSet === name).map(toUnresolved);
    const absent = references
      .filter((reference) => !wholeNames.has(reference))
      .map(
        (reference) => missing.get(reference) ?? { reference, why: 'queued', failure: undefined, message: undefined },
      );
    const refused = references.flatMap((reference) => refusals.get(reference) ?? []);
    return {
      name,
      gate,
      images: references.length + unresolved.length,
      missing: [...absent, ...unresolved],
      ...(refused.length === 0 ? {} : { refused }),
    };
  });
}

/** What it stands for may be anything: a set that has one is not complete. */
function toUnresolved({ pattern, failure }: UnresolvedPattern): MissingImage {
  return {
    reference: formatPattern(pattern),
    why: 'unresolved',
    failure: failure?.code,
    message: failure?.message ?? 'nobody has resolved it yet',
  };
}
