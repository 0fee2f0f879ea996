/** `Accept: application/json;as=PartialObjectMetadata…`: what of an object is metadata, and nothing else of it. */

import { isRecord } from './fields.ts';
import { ApiError } from './status.ts';

const metaVersion = 'meta.k8s.io/v1';

/** The first that this server can give. @throws ApiError 406 */
export function toAccepted(accept: string, verb: string, body: object): object {
  const wanted = /^application\/json(?:;(?=.*\bas=(\w+)).*)?$/.exec(
    (accept.split(',')[0] ?? '').replaceAll(' ', ''),
  )?.[1];
  if (wanted !== 'PartialObjectMetadata' && wanted !== 'PartialObjectMetadataList') return body;
  const { kind, metadata, items } = body as Record<string, unknown>;
  if (kind === 'Status') return body;
  if (wanted === 'PartialObjectMetadataList') {
    if (verb !== 'list' || !Array.isArray(items)) {
      const message = `you requested PartialObjectMetadataList, but the requested object is not a list (*core.${String(kind)})`;
      throw new ApiError(406, 'NotAcceptable', message);
    }
    return { kind: wanted, apiVersion: metaVersion, metadata, items: items.map(toPartial) };
  }
  if (verb !== 'list') return toPartial(body);
  const message = `you requested PartialObjectMetadata, but the requested object is a list (*core.${String(kind)})`;
  throw new ApiError(406, 'NotAcceptable', message);
}

function toPartial(object: unknown): object {
  const metadata = isRecord(object) ? object['metadata'] : {};
  return { kind: 'PartialObjectMetadata', apiVersion: metaVersion, metadata };
}
