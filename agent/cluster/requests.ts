/** Requests to the API server: one JSON object there, one back. */

import { Failure } from '../core/failure.ts';
import type { ClusterAccess, OpenAccess } from './access.ts';
import type { ApiHttpRequest, ApiHttpResponse } from './api-connection.ts';
import type { Asking, ResourceWord } from './permissions.ts';
import { parseJson, toStatusFailure } from './status-failure.ts';

export interface RequestObserver {
  /** `code`: the HTTP status, or `error` where there was no answer. */
  onRequest(verb: Asking['verb'], resource: ResourceWord, code: string): void;
  /** The API server was heard: an answer, a watch event or a bookmark. */
  onHeard(): void;
}

export interface Question {
  readonly asking: Asking;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Default: plain JSON. */
  readonly contentType?: string;
  /** Default: plain JSON. */
  readonly accept?: string;
}

const methods = { get: 'GET', list: 'GET', create: 'POST', update: 'PUT', patch: 'PATCH' } as const;

export class Requests {
  readonly #access: ClusterAccess;
  readonly #observer: RequestObserver;

  constructor(access: ClusterAccess, observer: RequestObserver) {
    this.#access = access;
    this.#observer = observer;
  }

  /** What the API server answers. @throws Failure as the port says; an abort throws `signal.reason` */
  async ask(question: Question, signal: AbortSignal): Promise<unknown> {
    const open = await this.#access.open(signal);
    let response = await this.#send(open, question, signal);
    if (response.status === 401) {
      // A token that has expired, or belongs to a pod that is gone, may have a successor in its file by now.
      this.#access.refuse(open);
      const again = await this.#access.open(signal);
      if (again.headers['authorization'] !== open.headers['authorization'] || again.connection !== open.connection) {
        response = await this.#send(again, question, signal);
      }
    }
    const { status, body, retryAfterMs } = response;
    if (status >= 300) throw toStatusFailure(status, body, retryAfterMs);
    const object = parseJson(body);
    if (object === undefined) throw new Failure('other', `the API server answers ${status} with what is no JSON`);
    return object;
  }

  async #send(open: OpenAccess, question: Question, signal: AbortSignal): Promise<ApiHttpResponse> {
    const { verb, resource } = question.asking;
    try {
      const response = await open.connection.send(toHttpRequest(open, question), signal);
      this.#observer.onRequest(verb, resource, String(response.status));
      this.#observer.onHeard();
      return response;
    } catch (error) {
      signal.throwIfAborted();
      this.#observer.onRequest(verb, resource, 'error');
      if (error instanceof Failure && error.code === 'tls') this.#access.refuse(open);
      throw error;
    }
  }
}

function toHttpRequest(open: OpenAccess, question: Question): ApiHttpRequest {
  const { asking, path, query, body, contentType, accept = 'application/json' } = question;
  if (asking.verb === 'watch') throw new Error('a watch is no request with one answer');
  const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
  return {
    method: methods[asking.verb],
    url: `${open.server}${path}${search}`,
    headers: {
      ...open.headers,
      accept,
      'user-agent': 'stevedore',
      ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}
