/** When a node's startup taint is to be removed. Pure. */

import type { ImageSetState } from './image-set-state.ts';
import type { NodeTaint } from './node-state.ts';

/** `ready`: its sets are here; `no_sets`: no gated set selects the node; `deadline`: let go without them. */
export const gateReleaseReasons = ['ready', 'no_sets', 'deadline'] as const;
export type GateReleaseReason = (typeof gateReleaseReasons)[number];

export interface GateWorld {
  readonly taints: readonly NodeTaint[];
  readonly taintKey: string;
  /** As the last look found them, for the node and configuration of now; undefined: nothing is known yet. */
  readonly sets: readonly ImageSetState[] | undefined;
  readonly deadlineMs: number;
  /** When this agent first saw the taint on this node; on the same clock as `now`. */
  readonly heldSince: number;
  readonly now: number;
}

export type GateDecision =
  /** The node has no such taint. */
  | { readonly kind: 'absent' }
  /** Until that moment at the latest, on the clock of `now`. */
  | { readonly kind: 'hold'; readonly until: number }
  /** `missing`: references of gated sets that are not here. */
  | { readonly kind: 'release'; readonly reason: GateReleaseReason; readonly missing: readonly string[] };

export function decideGate({ taints, taintKey, sets, deadlineMs, heldSince, now }: GateWorld): GateDecision {
  if (!hasTaint(taints, taintKey)) return { kind: 'absent' };
  const gated = sets?.filter(({ gate }) => gate);
  const missing = [...new Set((gated ?? []).flatMap((set) => set.missing.map(({ reference }) => reference)))];
  if (gated !== undefined && missing.length === 0) {
    return { kind: 'release', reason: gated.length === 0 ? 'no_sets' : 'ready', missing };
  }
  const until = heldSince + deadlineMs;
  return now < until ? { kind: 'hold', until } : { kind: 'release', reason: 'deadline', missing };
}

/** Whatever its value and effect: a key may be there once for each effect. */
export function hasTaint(taints: readonly NodeTaint[], taintKey: string): boolean {
  return taints.some(({ key }) => key === taintKey);
}

/** What is kept over a restart, so that the deadline does not begin anew. */
export interface GateRecord {
  /** Of the Node. */
  readonly uid: string;
  readonly taintKey: string;
  /** Epoch ms. */
  readonly heldSince: number;
}

export function toGateText({ uid, taintKey, heldSince }: GateRecord): string {
  return `${JSON.stringify({ version: 1, uid, taintKey, heldSince })}\n`;
}

/** Undefined: it is none, or of a version that this one does not know. */
export function parseGateRecord(text: string): GateRecord | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { version, uid, taintKey, heldSince }: Partial<Record<'version' | 'uid' | 'taintKey' | 'heldSince', unknown>> =
    read;
  if (version !== 1 || typeof uid !== 'string' || typeof taintKey !== 'string') return undefined;
  if (typeof heldSince !== 'number' || !Number.isFinite(heldSince)) return undefined;
  return { uid, taintKey, heldSince };
}
