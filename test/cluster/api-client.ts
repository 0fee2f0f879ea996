/** Requests to an API server as somebody in particular, with whatever it answers. */

import { Agent, request } from 'undici';
import { readRecord } from '../../agent/cluster/fields.ts';

export interface ApiEndpoint {
  readonly url: string;
  /** PEM; undefined: the system's, or plain http. */
  readonly ca?: string | undefined;
  /** In the server's certificate; undefined: the host of the URL. */
  readonly serverName?: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ApiClient {
  ask(method: Method, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer>;
  /** The body. @throws Error with status and body when it is refused */
  must(method: Method, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer['body']>;
  close(): Promise<void>;
}

export const merge = 'application/merge-patch+json';

/** @param token undefined: whoever the endpoint takes us for */
export function createApiClient({ url, ca, serverName }: ApiEndpoint, token: string | undefined): ApiClient {
  const dispatcher = new Agent({
    connect: { ...(ca !== undefined && { ca }), ...(serverName !== undefined && { servername: serverName }) },
  });
  const ask: ApiClient['ask'] = async (method, path, body, contentType = 'application/json') => {
    const response = await request(`${url}${path}`, {
      method,
      dispatcher,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': contentType }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const answer: unknown = JSON.parse(await response.body.text());
    return { status: response.statusCode, body: readRecord(answer) };
  };
  return {
    ask,
    async must(...asking) {
      const { status, body } = await ask(...asking);
      if (status < 300) return body;
      throw new Error(`${asking[0]} ${asking[1]}: ${status} ${JSON.stringify(body)}`);
    },
    close: () => dispatcher.destroy(),
  };
}
