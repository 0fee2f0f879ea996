/** The resources that this API server knows, and how a request's path names them. */

import type { Field } from './fields.ts';
import { fieldsOf } from './schemas.ts';
import type { Named } from './status.ts';

/** By its plural, as in RBAC. */
export type ResourceName = 'nodes' | 'configmaps' | 'namespaces' | 'leases' | 'events';

export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  creationTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}

export interface Taint {
  key: string;
  value?: string;
  effect: string;
  timeAdded?: string;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastHeartbeatTime?: string | null;
  lastTransitionTime?: string | null;
}

/** Loose on purpose: one type for all kinds; what is stored has been through the kind's schema. */
export interface ApiObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec?: {
    taints?: Taint[];
    unschedulable?: boolean;
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    leaseTransitions?: number;
    acquireTime?: string;
    renewTime?: string;
    [field: string]: unknown;
  };
  status?: { conditions?: Condition[]; nodeInfo?: Record<string, unknown>; [field: string]: unknown };
  data?: Record<string, string>;
  reason?: string;
  note?: string;
  type?: string;
  action?: string;
  [field: string]: unknown;
}

export interface Resource extends Named {
  readonly plural: ResourceName;
  /** `v1`, `coordination.k8s.io/v1` */
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
  /** A PUT to a name that does not exist creates it. */
  readonly createsOnUpdate: boolean;
  /** A PUT without a resourceVersion overwrites whatever is there. */
  readonly unconditionalUpdate: boolean;
  readonly schema: Readonly<Record<string, Field>>;
}

const core = { group: '', apiVersion: 'v1', createsOnUpdate: false, unconditionalUpdate: true } as const;

export const resources: Readonly<Record<ResourceName, Resource>> = {
  nodes: { ...core, plural: 'nodes', kind: 'Node', namespaced: false, hasStatus: true, schema: fieldsOf.node },
  namespaces: {
    ...core,
    plural: 'namespaces',
    kind: 'Namespace',
    namespaced: false,
    hasStatus: true,
    schema: fieldsOf.namespace,
  },
  configmaps: {
    ...core,
    plural: 'configmaps',
    kind: 'ConfigMap',
    namespaced: true,
    hasStatus: false,
    schema: fieldsOf.configMap,
  },
  leases: {
    plural: 'leases',
    kind: 'Lease',
    group: 'coordination.k8s.io',
    apiVersion: 'coordination.k8s.io/v1',
    namespaced: true,
    hasStatus: false,
    createsOnUpdate: true,
    unconditionalUpdate: false,
    schema: fieldsOf.lease,
  },
  events: {
    plural: 'events',
    kind: 'Event',
    group: 'events.k8s.io',
    apiVersion: 'events.k8s.io/v1',
    namespaced: true,
    hasStatus: false,
    createsOnUpdate: true,
    unconditionalUpdate: true,
    schema: fieldsOf.event,
  },
};

export interface RequestTarget {
  /** `get list watch create update patch delete deletecollection`; for what is no resource the method in lower case. */
  readonly verb: string;
  readonly group: string;
  /** As in the path, known or not; `undefined` when the path names no resource. */
  readonly plural: string | undefined;
  readonly resource: Resource | undefined;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  /** From the path, or from `fieldSelector=metadata.name=…` of a list or watch, as authorization sees it. */
  readonly name: string | undefined;
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch' };

export function parseTarget(method: string, path: string, query: URLSearchParams): RequestTarget {
  const [root, ...parts] = path.split('/').slice(1).map(decodeURIComponent);
  const isCore = root === 'api' && parts[0] === 'v1';
  const rest = isCore ? parts.slice(1) : root === 'apis' && parts[1] === 'v1' ? parts.slice(2) : [];
  if (rest.length === 0) {
    const nothing = { plural: undefined, resource: undefined, subresource: undefined, namespace: undefined };
    return { verb: method.toLowerCase(), group: '', name: undefined, ...nothing };
  }
  const group = isCore ? '' : (parts[0] ?? '');
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2;
  const [plural = '', pathName, subresource] = inNamespace ? rest.slice(2) : rest;
  const resource = Object.values(resources).find((one) => one.plural === plural && one.group === group);
  const verb = toVerb(method, pathName, query);
  const selected = /^metadata\.name==?([^,=!]+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  const name = pathName ?? (verb === 'list' || verb === 'watch' ? selected : undefined);
  // A Namespace itself is authorized as being in itself.
  const namespace = inNamespace ? rest[1] : plural === 'namespaces' ? pathName : undefined;
  return { verb, group, plural, resource, subresource, namespace, name };
}

function toVerb(method: string, name: string | undefined, query: URLSearchParams): string {
  if (method === 'DELETE') return name === undefined ? 'deletecollection' : 'delete';
  if (method !== 'GET') return verbs[method] ?? method.toLowerCase();
  if (name !== undefined) return 'get';
  return query.get('watch') === 'true' || query.get('watch') === '1' ? 'watch' : 'list';
}
