/** Admission: a hook that sees what a write would make of an object, and the policy of the manifests as such a hook. */

import { isSame } from './patches.ts';
import type { ApiObject, Condition, Resource, Taint } from './resources.ts';
import { type ApiError, forbidden, invalid } from './status.ts';
import { nodeClaim, type User } from './tokens.ts';

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly resource: Resource;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly user: User;
  readonly dryRun: boolean;
  /** As it would be stored; for a DELETE as it is. */
  readonly object: ApiObject;
  readonly oldObject: ApiObject | undefined;
}

export interface Denial {
  readonly message: string;
  /** As in a ValidatingAdmissionPolicy: `Forbidden` is 403, `Invalid` (the default) 422. */
  readonly reason?: 'Forbidden' | 'Invalid';
}

export type Admission = (request: AdmissionRequest) => Denial | undefined;

export function toRefusal({ resource, name }: AdmissionRequest, { message, reason = 'Invalid' }: Denial): ApiError {
  if (reason === 'Forbidden') return forbidden(resource, name, message, [{ message }]);
  const refusal = invalid(resource, name, []);
  return Object.assign(refusal, {
    status: {
      ...refusal.status,
      message: `${resource.plural} "${name}" is forbidden: ${message}`,
      details: { name, kind: resource.plural, causes: [{ message }] },
    },
  });
}

export interface OwnNodePolicy {
  /** Whom it restricts; default `system:serviceaccount:stevedore:stevedore`. */
  readonly user?: string;
  /** Default `image-set.stevedore.dev/`. */
  readonly prefix?: string;
  /** Default `ImageSetsReady`. */
  readonly condition?: string;
  /** The key of the taint that may be removed. */
  readonly taint?: string;
  /** Of policy and binding, as it is named in the refusal. */
  readonly name?: string;
}

/** What the manifests' ValidatingAdmissionPolicy does: the agent changes its own node only, and of that its own keys only. */
export function ownNodePolicy(options: OwnNodePolicy = {}): Admission {
  const {
    user = 'system:serviceaccount:stevedore:stevedore',
    prefix = 'image-set.stevedore.dev/',
    condition = 'ImageSetsReady',
    taint = 'startup-taint.cluster-autoscaler.kubernetes.io/stevedore',
    name = 'stevedore-own-node',
  } = options;
  return (request) => {
    const { operation, resource, oldObject, object } = request;
    if (request.user.name !== user || resource.plural !== 'nodes' || operation !== 'UPDATE') return undefined;
    if (oldObject === undefined) return undefined;
    const broken =
      brokenIdentity(request) ??
      brokenMetadata(object, oldObject, prefix) ??
      brokenSpec(object, oldObject, taint) ??
      brokenStatus(object, oldObject, condition);
    if (broken === undefined) return undefined;
    const message = `ValidatingAdmissionPolicy '${name}' with binding '${name}' denied request: ${broken}`;
    return { message, reason: 'Forbidden' };
  };
}

function brokenIdentity({ user, name }: AdmissionRequest): string | undefined {
  const claims = user.extra[nodeClaim] ?? [];
  return claims.length === 1 && claims[0] === name ? undefined : 'the token names no node, or another node';
}

function brokenMetadata(object: ApiObject, old: ApiObject, prefix: string): string | undefined {
  const free = ['labels', 'managedFields', 'resourceVersion', 'generation'];
  if (!isSame(without(object.metadata, free), without(old.metadata, free))) {
    return 'metadata other than labels may not change';
  }
  const foreign = ({ metadata }: ApiObject): object =>
    Object.fromEntries(Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith(prefix)));
  return isSame(foreign(object), foreign(old)) ? undefined : `only labels with the prefix ${prefix} may change`;
}

function brokenSpec(object: ApiObject, old: ApiObject, own: string): string | undefined {
  if (!isSame(without(object.spec, ['taints']), without(old.spec, ['taints']))) {
    return 'spec other than taints may not change';
  }
  const taints = object.spec?.taints ?? [];
  const isLeft = (taint: Taint): boolean => taint.key !== own || taints.some((one) => isSame(one, taint));
  if (isSame(taints, (old.spec?.taints ?? []).filter(isLeft))) return undefined;
  return `only the taint ${own} may be removed, and none added or changed`;
}

function brokenStatus(object: ApiObject, old: ApiObject, own: string): string | undefined {
  if (!isSame(without(object.status, ['conditions']), without(old.status, ['conditions']))) {
    return 'status other than conditions may not change';
  }
  const foreign = ({ status }: ApiObject): Condition[] => (status?.conditions ?? []).filter(({ type }) => type !== own);
  const ownOnes = (object.status?.conditions ?? []).filter(({ type }) => type === own);
  if (isSame(foreign(object), foreign(old)) && ownOnes.length <= 1) return undefined;
  return `only the condition ${own} may change`;
}

function without(value: object | undefined, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([key]) => !keys.includes(key)));
}
