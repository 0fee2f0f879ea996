/** How one attempt of policy-attempts.ts is written down. */

import { type NodeState, ownCondition, seasonedTaints, toCondition } from './policy-node.ts';

/**
 * `allowed` and `ignored`: 200, and the object is another or the same. `policy`: 403, and the message names the policy.
 * `permission`: 403 from RBAC.
 */
export type Outcome = 'allowed' | 'ignored' | 'policy' | 'permission';

export interface PolicyAttempt {
  readonly name: string;
  /** `unbound`: a token of the same account that names no node. */
  readonly token: 'bound' | 'unbound';
  /** The node that the token names, one that it does not, or `absentNode`, which does not exist. */
  readonly node: 'own' | 'other' | 'absent';
  readonly state: NodeState;
  readonly method: 'PATCH' | 'PUT' | 'POST' | 'DELETE';
  readonly resource: 'nodes' | 'nodes/status';
  readonly contentType: PatchType | 'application/json';
  readonly body: unknown;
  readonly expected: Outcome;
}

type PatchType =
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/json-patch+json'
  | 'application/apply-patch+yaml';

export const merge = 'application/merge-patch+json';
export const strategic = 'application/strategic-merge-patch+json';
export const json = 'application/json-patch+json';
export const apply = 'application/apply-patch+yaml';

type Where = Partial<Pick<PolicyAttempt, 'token' | 'node' | 'state'>>;

export function attempt(
  expected: Outcome,
  name: string,
  resource: PolicyAttempt['resource'],
  contentType: PatchType,
  body: unknown,
  where: Where = {},
): PolicyAttempt {
  const usual = { token: 'bound', node: 'own', state: 'seasoned', method: 'PATCH' } as const;
  return { ...usual, ...where, name: `${name} (${resource})`, resource, contentType, body, expected };
}

export const both = ['nodes', 'nodes/status'] as const;
export const labels = (change: Record<string, string | null>) => ({ metadata: { labels: change } });
export const conditions = (...list: unknown[]) => ({ status: { conditions: list } });
export const own = (status: string, heartbeat?: string) => toCondition(ownCondition, status, 'AllPresent', heartbeat);
export const taints = (...list: unknown[]) => ({ spec: { taints: list } });
export const [ownFirst, other, ownSecond, another] = seasonedTaints;
/** As the agent does it: nothing happens when the list has moved. */
export const removeTaint = (index: number, taint: unknown) => [
  { op: 'test', path: `/spec/taints/${index}`, value: taint },
  { op: 'remove', path: `/spec/taints/${index}` },
];
