/** Lists in pages: `limit` and `continue`, all pages from one snapshot. */

import { isRecord } from './fields.ts';
import type { ApiObject } from './resources.ts';
import type { Selection } from './selectors.ts';
import { badRequest, expired } from './status.ts';
import type { Store } from './store.ts';

export interface Page {
  readonly items: readonly ApiObject[];
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
}

interface Place {
  readonly revision: number;
  /** Of the last object of the page before: `NAMESPACE/NAME`, `/NAME` for what lies in no namespace. */
  readonly after: string;
}

const tooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/**
 * @param read what is selected, as it was at a revision
 * @throws ApiError 400, 410
 */
export function toPage(
  store: Store,
  read: (revision: number) => ApiObject[],
  { name }: Selection,
  query: URLSearchParams,
): Page {
  const asked = query.get('resourceVersion') ?? '';
  const limit = asked === '0' ? 0 : readLimit(query.get('limit'));
  const place = readPlace(query.get('continue') ?? '');
  if (place !== undefined && asked !== '' && asked !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (place !== undefined && place.revision < store.oldest) throw expired(tooOld);
  const revision = place?.revision ?? store.revision;
  const left = read(revision).filter((object) => place === undefined || toKey(object) > place.after);
  const resourceVersion = String(revision);
  if (limit <= 0 || left.length <= limit) return { items: left, metadata: { resourceVersion } };
  const items = left.slice(0, limit);
  const token = toToken({ revision, after: toKey(items.at(-1)) });
  const isCounted = name === undefined && !query.has('labelSelector') && !query.has('fieldSelector');
  const remaining = isCounted ? { remainingItemCount: left.length - limit } : {};
  return { items, metadata: { resourceVersion, continue: token, ...remaining } };
}

function toKey(object: ApiObject | undefined): string {
  return `${object?.metadata.namespace ?? ''}/${object?.metadata.name ?? ''}`;
}

function readLimit(text: string | null): number {
  if (text === null || text === '') return 0;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** As a real one writes it, but for the zero byte at its end. */
function toToken({ revision, after }: Place): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString('base64url');
}

function readPlace(token: string): Place | undefined {
  if (token === '') return undefined;
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    throw badRequest(`invalid continue token: continue key is not valid: ${String(error)}`);
  }
  const { rv, start } = isRecord(read) ? read : {};
  if (typeof rv === 'number' && typeof start === 'string') return { revision: rv, after: start };
  throw badRequest('invalid continue token: continue key is not valid: the server does not recognize it');
}
