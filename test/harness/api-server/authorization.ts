/** RBAC: who may do what, refused unless allowed. */

import { parseAllDocuments } from 'yaml';
import { isRecord } from './fields.ts';
import type { RequestTarget } from './resources.ts';
import { type ApiError, ApiError as RefusedRequest, forbidden } from './status.ts';
import type { User } from './tokens.ts';

export interface Rule {
  /** A user's name, or `group:NAME`. */
  readonly user: string;
  /** `get list watch create update patch delete`, or `*` */
  readonly verbs: readonly string[];
  /** `''` is the core group. */
  readonly groups: readonly string[];
  /** `nodes`, `nodes/status`, or `*` */
  readonly resources: readonly string[];
  /** Without: in all, and for what is in none. */
  readonly namespaces?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** @returns the refusal, or `undefined` when a rule allows it */
export function authorize(
  user: User,
  target: RequestTarget,
  path: string,
  rules: readonly Rule[],
): ApiError | undefined {
  if (user.groups.includes('system:masters')) return undefined;
  if (target.plural === undefined) {
    const isPublic = /^\/(?:version|healthz|livez|readyz)(?:\/|$)/.test(path);
    if (isPublic) return undefined;
    const message = `forbidden: User "${user.name}" cannot ${target.verb} path "${path}"`;
    return new RefusedRequest(403, 'Forbidden', message, {});
  }
  // system:basic-user.
  if (isAccessReview(target) && target.verb === 'create') return undefined;
  if (rules.some((rule) => isSubject(rule, user) && allows(rule, target))) return undefined;
  return refusal(user, target);
}

export function isAccessReview({ group, plural }: Pick<RequestTarget, 'group' | 'plural'>): boolean {
  return group === 'authorization.k8s.io' && plural === 'selfsubjectaccessreviews';
}

function isSubject({ user: subject }: Rule, user: User): boolean {
  return subject === user.name || (subject.startsWith('group:') && user.groups.includes(subject.slice(6)));
}

function allows(rule: Rule, { verb, group, plural = '', subresource, namespace, name }: RequestTarget): boolean {
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  return (
    matches(rule.verbs, verb) &&
    matches(rule.groups, group) &&
    (matches(rule.resources, resource) || (subresource !== undefined && rule.resources.includes(`*/${subresource}`))) &&
    (rule.namespaces === undefined || (namespace !== undefined && rule.namespaces.includes(namespace))) &&
    (rule.resourceNames === undefined || (name !== undefined && rule.resourceNames.includes(name)))
  );
}

function matches(allowed: readonly string[], value: string): boolean {
  return allowed.includes('*') || allowed.includes(value);
}

function refusal(user: User, { verb, group, plural = '', subresource, namespace, name }: RequestTarget): ApiError {
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${scope}`;
  return forbidden({ group, plural, kind: '' }, name, why);
}

/** Manifests as text (several documents) or as parsed objects. */
export function parseManifests(manifests: string | readonly unknown[]): Record<string, unknown>[] {
  const objects: readonly unknown[] =
    typeof manifests === 'string'
      ? parseAllDocuments(manifests).map((document) => document.toJS() as unknown)
      : manifests;
  return objects.filter(isRecord);
}

interface Role {
  readonly rules?: readonly {
    readonly verbs: readonly string[];
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
}

interface Binding {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

/** What the Roles and bindings among the objects allow; a binding to a role that is not among them is an error. */
export function toRules(objects: readonly Record<string, unknown>[]): Rule[] {
  const roles = new Map<string, Role>();
  for (const object of objects) {
    const { name = '', namespace = '' } = object['metadata'] as { name?: string; namespace?: string };
    if (object['kind'] === 'ClusterRole') roles.set(`/${name}`, object);
    if (object['kind'] === 'Role') roles.set(`${namespace}/${name}`, object);
  }
  return objects
    .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
    .flatMap((object) => {
      const { metadata, roleRef, subjects = [] } = object as unknown as Binding;
      const place = roleRef.kind === 'Role' ? (metadata.namespace ?? '') : '';
      const role = roles.get(`${place}/${roleRef.name}`);
      if (role === undefined) throw new Error(`${metadata.name} binds to ${roleRef.name}, which is not there`);
      const scope = object['kind'] === 'RoleBinding' ? { namespaces: [metadata.namespace ?? ''] } : {};
      return subjects.flatMap((subject) =>
        (role.rules ?? []).map(
          (rule): Rule => ({
            user: toSubject(subject),
            verbs: rule.verbs,
            groups: rule.apiGroups ?? [],
            resources: rule.resources ?? [],
            ...scope,
            ...(rule.resourceNames === undefined ? {} : { resourceNames: rule.resourceNames }),
          }),
        ),
      );
    });
}

function toSubject({ kind, name, namespace = '' }: { kind: string; name: string; namespace?: string }): string {
  if (kind === 'ServiceAccount') return `system:serviceaccount:${namespace}:${name}`;
  return kind === 'Group' ? `group:${name}` : name;
}
