/** From the bytes of a body to an object of a resource. */

import type { Call } from './call.ts';
import { DecodeError, decodeFields } from './fields.ts';
import type { ApiObject, Resource } from './resources.ts';
import { emptyNodeInfo } from './schemas.ts';
import { badRequest, unsupportedMediaType } from './status.ts';

export function parseBody({ contentType, body }: Call): unknown {
  if (contentType !== '' && contentType !== 'application/json') {
    throw unsupportedMediaType();
  }
  return parseJson(body, "couldn't get version/kind; json parse error: ");
}

export function parseJson(body: Buffer, prefix: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw badRequest(`${prefix}${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @throws ApiError 400 */
export function decode(resource: Resource, body: unknown): ApiObject {
  try {
    return toObject(resource, body);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const { kind } = resource;
    throw badRequest(`${kind} in version "v1" cannot be handled as a ${kind}: ${error.message}`);
  }
}

/** @throws DecodeError */
export function toObject(resource: Resource, body: unknown): ApiObject {
  const fields = decodeFields(body, resource.schema);
  const { kind, apiVersion } = resource;
  for (const [key, value] of Object.entries({ kind, apiVersion })) {
    if ((fields[key] ?? value) !== value) {
      const found = `${String(fields['apiVersion'])}, Kind=${String(fields['kind'])}`;
      throw new DecodeError(`converting (${found}) to (${apiVersion}, Kind=${kind}): unknown conversion`);
    }
  }
  const metadata = (fields['metadata'] ?? {}) as ApiObject['metadata'];
  const object: ApiObject = { ...fields, kind, apiVersion, metadata };
  if (kind !== 'Node') return object;
  const { capacity, ...status } = object.status ?? {};
  const nodeInfo = { ...emptyNodeInfo, ...status.nodeInfo };
  // Where a Node does not say what of its capacity may be used, all of it may.
  return {
    ...object,
    status: { ...(capacity === undefined ? {} : { capacity, allocatable: capacity }), ...status, nodeInfo },
  };
}
