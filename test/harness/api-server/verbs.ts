/** What each verb but PUT and PATCH does to the store, and in which order it refuses: as a real API server does. */

import { randomBytes } from 'node:crypto';
import { decode, parseBody, parseJson } from './bodies.ts';
import { admit, type Call, isDryRun, namespaceOf, type Reply } from './call.ts';
import { isRecord } from './fields.ts';
import { toPage } from './paging.ts';
import type { ApiObject } from './resources.ts';
import { parseSelection } from './selectors.ts';
import {
  alreadyExists,
  badRequest,
  expired,
  failedPrecondition,
  internalError,
  invalid,
  notFound,
  requiredValue,
  resourceVersionTooLarge,
} from './status.ts';
import { mistakesOf, toMistaken } from './validation.ts';
import { parseRevision } from './watch-stream.ts';

export function get({ store, resource, target: { namespace, name = '' } }: Call): Reply {
  const found = store.get(resource.plural, namespaceOf(resource, namespace), name);
  if (found === undefined) throw notFound(resource, name);
  return { code: 200, body: found };
}

export function list({ store, resource, target, query }: Call): Reply {
  const text = query.get('resourceVersion');
  const asked = parseRevision(text);
  if (asked === undefined) throw badRequest(`invalid resource version: resourceVersion: Invalid value: "${text}"`);
  if (asked > store.revision) throw resourceVersionTooLarge(asked, store.revision);
  if (query.get('resourceVersionMatch') === 'Exact' && asked < store.oldest) {
    throw expired('The provided resource version is too old.');
  }
  const selection = parseSelection(resource, namespaceOf(resource, target.namespace), query);
  const page = toPage(store, (revision) => store.list(resource.plural, selection, revision), selection, query);
  return {
    code: 200,
    body: {
      kind: `${resource.kind}List`,
      apiVersion: resource.apiVersion,
      metadata: page.metadata,
      // The items of a list do not say what they are.
      items: page.items.map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item),
    },
  };
}

export function create(call: Call): Reply {
  return { code: 201, body: createFrom(call, decode(call.resource, parseBody(call))) };
}

/** Also what a PUT to a name that is not there does for some resources. */
export function createFrom(call: Call, object: ApiObject): ApiObject {
  const { store, resource, target } = call;
  const namespace = namespaceOf(resource, target.namespace);
  const { generateName, resourceVersion, ...metadata } = object.metadata;
  if (resourceVersion !== undefined && resourceVersion !== '0') {
    throw internalError('resourceVersion should not be set on objects to be created');
  }
  if (namespace !== undefined && (metadata.namespace ?? namespace) !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (namespace !== undefined && store.get('namespaces', undefined, namespace) === undefined) {
    throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
  }
  const name =
    metadata.name ?? (generateName === undefined ? '' : `${generateName}${randomBytes(3).toString('hex').slice(1)}`);
  const whole: ApiObject = {
    ...object,
    metadata: {
      ...metadata,
      name,
      ...(generateName === undefined ? {} : { generateName }),
      ...(namespace === undefined ? {} : { namespace }),
    },
  };
  const mistakes =
    name === ''
      ? [requiredValue('metadata.name', 'name or generateName is required')]
      : mistakesOf(resource, whole, undefined);
  if (mistakes.length > 0) throw invalid(toMistaken(resource), name, mistakes);
  admit(call, 'CREATE', name, whole, undefined);
  if (store.get(resource.plural, namespace, name) !== undefined) throw alreadyExists(resource, name);
  return isDryRun(call) ? whole : store.write(resource.plural, whole);
}

export function remove(call: Call): Reply {
  const { store, resource, target } = call;
  const { name = '' } = target;
  const namespace = namespaceOf(resource, target.namespace);
  const existing = store.get(resource.plural, namespace, name);
  if (existing === undefined) throw notFound(resource, name);
  const options = call.body.length === 0 ? {} : parseJson(call.body, '');
  const conditions = (isRecord(options) ? options['preconditions'] : undefined) as Record<string, string> | undefined;
  for (const [field, value] of Object.entries(conditions ?? {})) {
    if (existing.metadata[field] === value) continue;
    const what = field === 'uid' ? 'UID' : 'ResourceVersion';
    throw failedPrecondition(resource, name, what, value, String(existing.metadata[field]));
  }
  admit(call, 'DELETE', name, existing, existing);
  if (!isDryRun(call)) store.remove(resource.plural, namespace, name);
  const { group, plural } = resource;
  const details = { name, ...(group === '' ? {} : { group }), kind: plural, uid: existing.metadata.uid };
  return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } };
}
