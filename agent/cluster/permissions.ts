/**
 * Everything that the client may ask of the API server. Each request names its entry by resource and verb, so that what is not
 * here does not compile; the RBAC of the manifests is tested against it.
 */

import { resolvedConfigMaps } from '../core/resolved-config-maps.ts';

export const permissions = [
  { group: '', resource: 'nodes', verbs: ['get', 'list', 'watch'], scope: 'cluster', part: 'base' },
  /** Labels and the condition; labels may be changed through the status too. */
  { group: '', resource: 'nodes', subresource: 'status', verbs: ['patch'], scope: 'cluster', part: 'base' },
  /** Taints cannot be removed through the status. */
  { group: '', resource: 'nodes', verbs: ['patch'], scope: 'cluster', part: 'gate' },
  { group: '', resource: 'configmaps', verbs: ['list', 'watch'], scope: 'namespace', part: 'base' },
  /** What the coordinator publishes. RBAC cannot bind `create` to names: it must not have that. */
  { group: '', resource: 'configmaps', verbs: ['update'], scope: 'namespace', part: 'base', names: resolvedConfigMaps },
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'list', 'create', 'update'],
    scope: 'namespace',
    part: 'base',
  },
  /** An Event about a Node is only taken in this namespace. */
  { group: 'events.k8s.io', resource: 'events', verbs: ['create'], scope: 'default', part: 'base' },
  /** What the agent itself may do; system:basic-user lets everybody ask that who has logged in. */
  {
    group: 'authorization.k8s.io',
    resource: 'selfsubjectaccessreviews',
    verbs: ['create'],
    scope: 'cluster',
    part: 'built-in',
  },
] as const satisfies readonly Permission[];

export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly string[];
  /** `namespace`: the agent's own; `default`: the namespace of that name. */
  readonly scope: 'cluster' | 'namespace' | 'default';
  /** `gate`: only with the gate's component; `built-in`: by Kubernetes' own default roles. */
  readonly part: 'base' | 'gate' | 'built-in';
  /** Of the objects that it is for; undefined: all. */
  readonly names?: readonly string[];
}

type Entry = (typeof permissions)[number];
type Word<E> = E extends { resource: infer R extends string; subresource: infer S extends string }
  ? `${R}/${S}`
  : E extends { resource: infer R extends string }
    ? R
    : never;

/** As metrics and RBAC write it: `nodes/status`. */
export type ResourceWord = Word<Entry>;

type ToAsking<E> = E extends Entry ? { readonly resource: Word<E>; readonly verb: E['verbs'][number] } : never;

/** A resource with a verb that the table has for it. */
export type Asking = ToAsking<Entry>;
