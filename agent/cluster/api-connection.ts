/** The connection to the API server as it is handed in: the adapter's folder has no HTTP client of its own. */

import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import type { Failure } from '../core/failure.ts';

/** What client-node's `Watch` sends its requests through. */
export type Dispatcher = NonNullable<Parameters<RequestContext['setDispatcher']>[0]>;

export interface ApiTls {
  /** PEM; undefined: the system's authorities. */
  readonly ca: string | undefined;
  /** Where `ca` is from, for messages. */
  readonly caSource: string | undefined;
  /** Client certificate and key, PEM. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name that the certificate must have, where it is not the host's. */
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
}

export interface ApiHttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface ApiHttpResponse {
  readonly status: number;
  readonly body: string;
  /** Undefined: none, or not in seconds. */
  readonly retryAfterMs: number | undefined;
}

export interface ApiConnection {
  readonly dispatcher: Dispatcher;
  /** Any status is an answer. @throws Failure `network`, `tls`, `timeout`, `other`; an abort throws `signal.reason` */
  send(request: ApiHttpRequest, signal: AbortSignal): Promise<ApiHttpResponse>;
  /** What a request through `dispatcher` threw. */
  toFailure(error: unknown): Failure;
  /** Lets go of it once the requests and watches under way have ended. */
  retire(): void;
  /** Cuts them. */
  destroy(): Promise<void>;
}

/** @param server without a slash at its end; it may have a path */
export type ConnectApi = (server: string, tls: ApiTls) => ApiConnection;
