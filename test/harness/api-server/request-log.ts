/** What came over the wire, as a test may look at it afterwards. */

import type { RequestTarget } from './resources.ts';
import { tooLarge } from './status.ts';

export interface ApiRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** `get list watch create update patch delete`, as in RBAC; for what is no resource the method in lower case. */
  readonly verb: string;
  readonly group: string;
  readonly resource: string | undefined;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly contentType: string;
  readonly accept: string;
  /** Parsed where it is JSON. */
  body: unknown;
  /** `undefined`: 401, or no answer. */
  user: string | undefined;
  /** `undefined`: not answered, or not yet. */
  status: number | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Requests of one connection have the same; the first is 1. */
  readonly connection: number;
  readonly httpVersion: string;
}

/** What both kinds of request of Node have. */
export interface AnyRequest extends AsyncIterable<Buffer> {
  readonly method?: string;
  readonly url?: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: { readonly remotePort?: number };
}

const mostBodyBytes = 3 * 1_048_576;
export function toLogged(request: AnyRequest, url: URL, target: RequestTarget, connection: number): ApiRequest {
  const { verb, group, plural, subresource, namespace, name } = target;
  const { 'content-type': type, accept } = request.headers;
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    verb,
    group,
    resource: plural,
    subresource,
    namespace,
    name,
    contentType: typeof type === 'string' ? (type.split(';')[0] ?? '').trim() : '',
    accept: typeof accept === 'string' ? accept : '',
    body: undefined,
    user: undefined,
    status: undefined,
    at: Date.now(),
    connection,
    httpVersion: request.httpVersion,
  };
}

export async function readBody(request: AnyRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    // Read to the end, so that the client hears the answer; a real server closes the connection.
    if (bytes <= mostBodyBytes) chunks.push(chunk);
  }
  if (bytes > mostBodyBytes) throw tooLarge(mostBodyBytes);
  return Buffer.concat(chunks);
}

export function toLoggedBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}
