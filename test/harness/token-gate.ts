/** Bearer tokens before the test registry, as the Distribution project's token authentication specification has them. */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Login {
  readonly user: string;
  readonly password: string;
}

export interface LocalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers `/token` and refuses what has no token; undefined lets the request through. */
export function makeTokenGate({ user, password }: Login): (incoming: IncomingMessage) => LocalAnswer | undefined {
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const given = new Set<string>();
  return (incoming) => {
    const url = new URL(incoming.url ?? '', `http://${incoming.headers.host ?? 'registry'}`);
    const { authorization } = incoming.headers;
    if (url.pathname === '/token') {
      // As Harbor does: clients that try OAuth's POST first then fall back.
      if (incoming.method !== 'GET') return { status: 405, headers: { allow: 'GET' }, body: '{}' };
      if (authorization !== basic) return refusal({});
      const token = randomUUID();
      given.add(`Bearer ${token}`);
      return { status: 200, headers: {}, body: JSON.stringify({ token, expires_in: 300 }) };
    }
    if (authorization !== undefined && given.has(authorization)) return undefined;
    const scheme = 'encrypted' in incoming.socket ? 'https' : 'http';
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags)\//.exec(url.pathname)?.[1];
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:pull"`;
    return refusal({ 'www-authenticate': `Bearer realm="${scheme}://${url.host}/token",service="test"${scope}` });
  };
}

function refusal(headers: Record<string, string>): LocalAnswer {
  return { status: 401, headers, body: '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}' };
}
