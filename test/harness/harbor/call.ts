/** One request, as the parts of the double see it. */

import type { IncomingMessage } from 'node:http';
import type { Account } from './accounts.ts';

/** Requests to the upstream: HEADs, GETs of manifests, GETs of blobs. Those of the background are not in it. */
export interface UpstreamCost {
  heads: number;
  manifests: number;
  blobs: number;
}

export interface HarborRequest {
  readonly method: string;
  /** Without the query, as it was sent. */
  readonly path: string;
  /** As it was sent, without the question mark. */
  readonly query: string;
  /** 0 until it is answered. */
  status: number;
  /** Login name; undefined for anonymous ones, which those with wrong credentials are too. */
  user: string | undefined;
  readonly hasAuthorization: boolean;
  /** Harbor refuses writes that send its session cookie back. */
  readonly hasCookie: boolean;
  readonly userAgent: string | undefined;
  readonly accept: string | undefined;
  /** What it cost upstream before it was answered, the fill of a blob included. */
  readonly upstream: UpstreamCost;
  /** `performance.now()` when it arrived. */
  readonly at: number;
  endedAt: number | undefined;
  /** The whole answer was handed over. */
  complete: boolean;
}

export interface Call {
  readonly method: string;
  /** As it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly account: Account;
  /** Projects whose token this is; undefined: every project that the account has rights in. */
  readonly tokenProjects: ReadonlySet<string> | undefined;
  readonly incoming: IncomingMessage;
  readonly record: HarborRequest;
  /** Ends with the connection. */
  readonly signal: AbortSignal;
}
