/** Harbor's login as Harbor 2.15 does it on the wire: its challenges, its tokens for everybody, its refusals. */

import type { Credential } from '../../../agent/core/credentials.ts';
import type { Handler, Reply, SeenRequest, StubServer } from './stub-server.ts';

export interface HarborLogin {
  readonly username: string;
  readonly password: string;
}

export interface HarborStubOptions {
  readonly login: HarborLogin;
  /** Where the challenge sends clients; default: the server itself. */
  readonly realm?: string;
  readonly expiresIn?: number | undefined;
  /** Accounts that exist and have no right here. */
  readonly outsiders?: readonly HarborLogin[];
}

export class HarborStub {
  readonly tokens = { good: 'token-of-the-good-robot', bad: 'token-that-opens-nothing' };
  readonly #server: StubServer;
  readonly #options: HarborStubOptions;
  /** Good tokens that the server has meanwhile expired. */
  readonly expired = new Set<string>();
  #issued = 0;

  constructor(server: StubServer, options: HarborStubOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** Lets the content answer only whoever may see it. */
  protect(content: Handler): Handler {
    return (request) => {
      if (!request.path.startsWith('/v2/')) return undefined;
      const { authorization } = request;
      const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.path)?.[1] ?? '';
      if (authorization === undefined) return this.#challenge(repository);
      if (this.#isGood(authorization)) return content(request);
      return {
        status: 401,
        headers: { 'www-authenticate': 'Basic realm="harbor"' },
        body: errors('UNAUTHORIZED', `unauthorized to access repository: ${repository}, action: pull`),
      };
    };
  }

  /** 200 and a token for anybody who asks with a scope; `access_token` is there and empty. */
  readonly tokenService: Handler = (request) => {
    const { pathname, searchParams } = new URL(request.path, 'http://harbor');
    if (pathname !== '/service/token') return undefined;
    if (request.method !== 'GET') return { status: 405, body: 'Method Not Allowed\n' };
    if (searchParams.get('service') !== 'harbor-registry') {
      return { status: 400, body: `Unable to handle service: ${searchParams.get('service') ?? ''}` };
    }
    const isGood = request.authorization === basicOf(this.#options.login);
    const isKnown = isGood || (this.#options.outsiders ?? []).some((one) => request.authorization === basicOf(one));
    if (!searchParams.has('scope') && !isKnown) return { status: 401 };
    const token = isGood ? `${this.tokens.good}-${++this.#issued}` : this.tokens.bad;
    const { expiresIn = 1800 } = this.#options;
    return { status: 200, body: { token, access_token: '', ...(expiresIn > 0 ? { expires_in: expiresIn } : {}) } };
  };

  #isGood(authorization: string): boolean {
    if (authorization === basicOf(this.#options.login)) return true;
    const token = authorization.replace(/^Bearer /, '');
    return token.startsWith(this.tokens.good) && !this.expired.has(token);
  }

  #challenge(repository: string): Reply {
    const realm = this.#options.realm ?? `${this.#server.url}/service/token`;
    const scope = repository === '' ? '' : `,scope="repository:${repository}:pull"`;
    return {
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="${realm}",service="harbor-registry"${scope}` },
      body: errors('UNAUTHORIZED', 'authorize header needed to send HEAD to repository'),
    };
  }
}

export function errors(code: string, message: string): object {
  return { errors: [{ code, message }] };
}

export function basicOf({ username, password }: HarborLogin): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Everything that must reach no other host: the password as such and as Basic, and every token. */
export function findSecrets(requests: readonly SeenRequest[], credentials: readonly Credential[]): string[] {
  const text = JSON.stringify(requests);
  const secrets = credentials.flatMap((one) => [
    one.reveal(),
    basicOf({ username: one.username, password: one.reveal() }).slice('Basic '.length),
  ]);
  return [...secrets, 'Bearer ', 'Basic ', 'token-of-', 'token-that-'].filter((secret) => text.includes(secret));
}
