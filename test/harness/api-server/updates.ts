/** PUT and PATCH, refused in the order in which a real API server refuses. */

import { decode, parseBody, parseJson, toObject } from './bodies.ts';
import { admit, type Call, isDryRun, namespaceOf, type Reply } from './call.ts';
import { DecodeError, isRecord } from './fields.ts';
import { isSame, toMerged, toPatched, toStrategicallyMerged } from './patches.ts';
import type { ApiObject, Resource } from './resources.ts';
import { badRequest, conflict, invalid, notFound, unsupportedMediaType } from './status.ts';
import { mistakesOf, toMistaken } from './validation.ts';
import { createFrom } from './verbs.ts';

export function update(call: Call): Reply {
  const { store, resource, target } = call;
  const { name = '' } = target;
  const object = decode(resource, parseBody(call));
  requireName(object, name);
  const existing = store.get(resource.plural, namespaceOf(resource, target.namespace), name);
  if (existing !== undefined) return { code: 200, body: replace(call, existing, object) };
  if (!resource.createsOnUpdate || target.subresource !== undefined) throw notFound(resource, name);
  const { resourceVersion: _unused, ...metadata } = object.metadata;
  return { code: 201, body: createFrom(call, { ...object, metadata }) };
}

function requireName({ metadata }: ApiObject, name: string): void {
  if (metadata.name === name) return;
  if (metadata.name === undefined) {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

const patchTypes: Readonly<Record<string, (target: unknown, patch: unknown) => unknown>> = {
  'application/json-patch+json': toPatched,
  'application/merge-patch+json': toMerged,
  'application/strategic-merge-patch+json': toStrategicallyMerged,
};

export function patch(call: Call): Reply {
  const { store, resource, target, contentType } = call;
  const { name = '' } = target;
  const apply = patchTypes[contentType];
  if (apply === undefined) throw unsupportedMediaType();
  const existing = store.get(resource.plural, namespaceOf(resource, target.namespace), name);
  if (existing === undefined) throw notFound(resource, name);
  const changes = parseJson(call.body, 'error decoding patch: ');
  if (apply !== toPatched && !isRecord(changes)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  }
  const patched = apply(existing, changes);
  try {
    const object = toObject(resource, patched);
    requireName(object, name);
    return { code: 200, body: replace(call, existing, object) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(patched))}: ${error.message}`;
    throw invalid({ group: '', kind: '' }, '', [{ reason: 'FieldValueInvalid', field: 'patch', message }]);
  }
}

/** In the order of a real server: conflict, then validation, then admission. */
function replace(call: Call, existing: ApiObject, wanted: ApiObject): ApiObject {
  const { store, resource, target } = call;
  const { name } = existing.metadata;
  const { resourceVersion } = wanted.metadata;
  if (resourceVersion === undefined && target.verb === 'update' && !resource.unconditionalUpdate) {
    const message = 'Invalid value: 0: must be specified for an update';
    const { group, plural } = resource;
    const mistake = { reason: 'FieldValueInvalid', field: 'metadata.resourceVersion', message } as const;
    throw invalid({ group, kind: plural }, name, [mistake]);
  }
  if (resourceVersion !== undefined && resourceVersion !== existing.metadata.resourceVersion) {
    throw conflict(resource, name);
  }
  const object = prepare(resource, target.subresource, existing, wanted);
  const isOther = wanted.metadata.uid !== undefined && wanted.metadata.uid !== existing.metadata.uid;
  if (isOther && target.verb === 'update') throw conflict(resource, name);
  const mistakes = mistakesOf(resource, object, existing);
  if (mistakes.length > 0) throw invalid(toMistaken(resource), name, mistakes);
  admit(call, 'UPDATE', name, object, existing);
  if (isSame(object, existing)) return existing;
  return isDryRun(call) ? object : store.write(resource.plural, object);
}

/** What one endpoint may not change is taken from what is stored, without a word. */
function prepare(
  resource: Resource,
  subresource: string | undefined,
  existing: ApiObject,
  wanted: ApiObject,
): ApiObject {
  const { uid, creationTimestamp, resourceVersion, namespace } = existing.metadata;
  const { spec: _spec, status: _status, ...rest } = wanted;
  const own = subresource === 'status' ? existing.spec : wanted.spec;
  const status = resource.hasStatus && subresource !== 'status' ? existing.status : wanted.status;
  return {
    ...rest,
    metadata: {
      ...(uid === undefined ? {} : { uid }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(namespace === undefined ? {} : { namespace }),
      ...wanted.metadata,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    ...(own === undefined ? {} : { spec: own }),
    ...(status === undefined ? {} : { status }),
  };
}
