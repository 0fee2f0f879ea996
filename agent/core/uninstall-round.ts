/** What `stevedore uninstall` tells while it takes back what the agent left on the node. */

import type { RoundOutcome } from './pull-round.ts';

/**
 * What the agent leaves in a runtime. `pins`: marks against the kubelet's collection; `leases`: containerd's leases of pulls and removals, with what
 * only they hold; `ties`: labels that a removal put on a snapshot; `guards`: Docker tags that keep an image during its removal.
 */
export const traceKinds = ['pins', 'leases', 'ties', 'guards'] as const;
export type TraceKind = (typeof traceKinds)[number];

/**
 * In this order. `runtime`: it could not be reached, so none of its steps was tried; `removals`: cut off by a kill and undone; `node`: labels and
 * condition; `slots`: Leases of the cluster that the node holds; `state`: the state folder.
 */
export type UninstallStep = 'runtime' | 'removals' | TraceKind | 'node' | 'slots' | 'state';

export type UninstallEvent =
  | { readonly kind: 'done_step'; readonly step: UninstallStep; readonly count: number }
  | { readonly kind: 'failed_step'; readonly step: UninstallStep; readonly message: string }
  /** `count`: what was taken back, all steps together. */
  | { readonly kind: 'done'; readonly outcome: RoundOutcome; readonly count: number; readonly failed: number };
