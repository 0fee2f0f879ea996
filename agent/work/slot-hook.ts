import type { SlotState } from '../core/pull-planner.ts';

/** What pulling asks of the cluster's pull slots. */
export interface SlotHook {
  /** `prefetch.maxNodes`; undefined: no limit. */
  setLimit(maxNodes: number | undefined): void;
  /** Pulls run, or would if there were a slot. */
  want(wanted: boolean): void;
  /** As it is now. */
  readonly slot: SlotState;
  /** For a plan that nobody carries out: what has not been asked for is taken as free. */
  readonly forecast: SlotState;
}
