/** A Node's conditions in memory; see fake-cluster.ts. */

import type { NodeStatusPatch } from '../../agent/cluster/cluster.ts';
import type { NodeCondition, NodeState } from '../../agent/core/node-state.ts';

/** Heartbeats of other conditions than ours change nothing. */
export function toComparableNode(node: NodeState | undefined): string {
  return JSON.stringify({
    ...node,
    conditions: node?.conditions.map((condition) =>
      condition.type === 'ImageSetsReady' ? condition : { ...condition, lastHeartbeatAt: undefined },
    ),
  });
}

export function toConditions(
  conditions: readonly NodeCondition[],
  patch: NodeStatusPatch['condition'],
): readonly NodeCondition[] {
  if (patch === undefined) return conditions;
  const others = conditions.filter(({ type }) => type !== patch.type);
  if ('remove' in patch) return others;
  // The API server keeps whole seconds.
  const toSecond = (at: number): number => Math.floor(at / 1000) * 1000;
  const { lastHeartbeatAt, lastTransitionAt } = patch;
  const stored = {
    ...patch,
    lastHeartbeatAt: toSecond(lastHeartbeatAt),
    lastTransitionAt: toSecond(lastTransitionAt),
  };
  return [...others, stored];
}
