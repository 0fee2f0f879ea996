import type { LeaseRecord } from '../cluster/cluster.ts';
import type { SlotState } from '../core/pull-planner.ts';
import { isSlotWithin, slotDurationSeconds } from '../core/slot-choice.ts';

/** How far a node is with its pull slot. All times on the monotonic clock, ms. */
export type SlotHolding =
  | { readonly kind: 'idle' }
  | { readonly kind: 'waiting'; readonly since: number; readonly looks: number; readonly nextAt: number }
  | { readonly kind: 'held'; readonly lease: LeaseRecord; readonly renewedAt: number; readonly nextAt: number }
  /** The Leases cannot be asked; pulls go on without at `openAt`, unless they answer before. */
  | { readonly kind: 'opening'; readonly since: number; readonly openAt: number; readonly nextAt: number }
  /** Pulls go on without a slot. */
  | { readonly kind: 'open'; readonly since: number; readonly nextAt: number };

/** Pure. Whoever was frozen for a slot's duration may have lost it without knowing. */
export function isOurs(holding: SlotHolding, limit: number, monotonicNow: number): boolean {
  if (holding.kind !== 'held' || !isSlotWithin(holding.lease.name, limit)) return false;
  return monotonicNow < holding.renewedAt + slotDurationSeconds * 1000;
}

/** Pure. @param now epoch ms */
export function toSlotState(
  holding: SlotHolding,
  limit: number | undefined,
  monotonicNow: number,
  now: number,
): SlotState {
  if (limit === undefined || holding.kind === 'open' || isOurs(holding, limit, monotonicNow)) return 'free';
  if (holding.kind === 'opening') {
    const message = "the cluster's pull slots cannot be asked: pulls go on without one";
    return { message, until: Math.ceil(now + holding.openAt - monotonicNow) };
  }
  return { message: `waits for one of the cluster's ${limit} pull slots (prefetch.maxNodes)`, until: undefined };
}
