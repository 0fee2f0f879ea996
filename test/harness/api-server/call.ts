/** One request to a resource, as the verbs see it. */

import { type Admission, toRefusal } from './admission.ts';
import type { ApiObject, RequestTarget, Resource } from './resources.ts';
import type { Status } from './status.ts';
import type { Store } from './store.ts';
import type { User } from './tokens.ts';

export interface Call {
  readonly store: Store;
  readonly admission: Admission | undefined;
  readonly resource: Resource;
  readonly target: RequestTarget;
  readonly query: URLSearchParams;
  readonly user: User;
  /** Without parameters; empty when the request had none. */
  readonly contentType: string;
  readonly body: Buffer;
}

export interface Reply {
  readonly code: number;
  readonly body: ApiObject | Status | object;
}

export function admit(
  call: Call,
  operation: 'CREATE' | 'UPDATE' | 'DELETE',
  name: string,
  object: ApiObject,
  oldObject: ApiObject | undefined,
): void {
  const { resource, user, target, admission } = call;
  const { subresource, namespace } = target;
  const dryRun = isDryRun(call);
  const request = { operation, resource, subresource, namespace, name, user, dryRun, object, oldObject };
  const denial = admission?.(request);
  if (denial !== undefined) throw toRefusal(request, denial);
}

/** The Namespace that a path names for a namespaced object; a Namespace itself lies in none. */
export function namespaceOf({ namespaced }: Resource, namespace: string | undefined): string | undefined {
  return namespaced ? namespace : undefined;
}

export function isDryRun({ query }: Call): boolean {
  return query.getAll('dryRun').includes('All');
}
