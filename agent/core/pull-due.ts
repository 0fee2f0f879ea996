import type { PullPlan, WaitReason } from './pull-plan.ts';

/** Such a wait ends on many nodes at once; the spread is counted from its end. */
const endsTogether: ReadonlySet<WaitReason> = new Set(['window', 'paused', 'warming']);

/** Since when each image of the plan could be pulled, were it not for the spread, epoch ms. One that is here, or is refused, is not due. Pure. */
export function toDueSince(plan: PullPlan, before: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const due = [...plan.pulls, ...plan.waiting.filter(({ reason }) => !endsTogether.has(reason))];
  return new Map(due.map(({ reference }) => [reference, before.get(reference) ?? plan.at]));
}
