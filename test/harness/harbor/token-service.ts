/** `/service/token`, with the behaviour that catches clients: bad credentials still get a token where a scope is asked. */

import { randomBytes } from 'node:crypto';
import { type Account, isAllowed } from './accounts.ts';
import type { Answer } from './answers.ts';
import type { Call } from './call.ts';
import type { HarborSystem } from './system.ts';

interface Grant {
  readonly account: Account;
  readonly projects: ReadonlySet<string>;
  readonly expiresAt: number;
}

const service = 'harbor-registry';

export class TokenService {
  readonly #system: HarborSystem;
  readonly #grants = new Map<string, Grant>();

  constructor(system: HarborSystem) {
    this.#system = system;
  }

  answer({ method, query, account }: Call): Answer {
    const plain = { 'Content-Type': 'text/plain; charset=utf-8' };
    if (method !== 'GET') {
      return { status: 405, headers: { ...plain, 'X-Content-Type-Options': 'nosniff' }, body: 'Method Not Allowed\n' };
    }
    const asked = query.get('service') ?? '';
    if (asked !== service) return { status: 400, headers: plain, body: `Unable to handle service: ${asked}` };
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' ').filter((part) => part !== ''));
    if (scopes.length === 0 && account.kind === 'anonymous') return { status: 401, headers: {}, body: '' };
    const issuedAt = new Date();
    const { tokenLifetimeMs } = this.#system.timing;
    const body = JSON.stringify(
      {
        token: this.#issue(account, scopes, issuedAt),
        access_token: '',
        expires_in: Math.round(tokenLifetimeMs / 1000),
        issued_at: `${issuedAt.toISOString().slice(0, 19)}Z`,
      },
      undefined,
      2,
    );
    return { status: 200, headers: { 'Content-Type': 'application/json; charset=utf-8' }, body };
  }

  /** @returns undefined for what no valid token is */
  find(token: string): Grant | undefined {
    const grant = this.#grants.get(token);
    return grant === undefined || grant.expiresAt <= Date.now() ? undefined : grant;
  }

  /** All of them, as if their time had come. */
  expireAll(): void {
    this.#grants.clear();
  }

  /** The claims list all rights of the account in the projects of the scopes, whatever was asked for. */
  #issue(account: Account, scopes: readonly string[], issuedAt: Date): string {
    const names = scopes.flatMap((scope) => /^repository:([^:]+)/.exec(scope)?.[1] ?? []);
    const projects = new Set(names.map((name) => name.split('/')[0] ?? ''));
    const expiresAt = issuedAt.getTime() + this.#system.timing.tokenLifetimeMs;
    const claims = {
      iss: 'harbor-token-issuer',
      ...(account.kind === 'anonymous' ? {} : { sub: account.name }),
      aud: [service],
      exp: Math.floor(expiresAt / 1000),
      nbf: Math.floor(issuedAt.getTime() / 1000),
      iat: Math.floor(issuedAt.getTime() / 1000),
      jti: randomBytes(8).toString('hex'),
      access: names.map((name) => ({ type: 'repository', name, actions: this.#actions(account, name) })),
    };
    const parts = [{ alg: 'RS256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)));
    const token = [...parts, randomBytes(32)].map((part) => part.toString('base64url')).join('.');
    this.#grants.set(token, { account, projects, expiresAt });
    return token;
  }

  #actions(account: Account, repository: string): readonly string[] {
    const project = this.#system.project(repository.split('/')[0] ?? '');
    if (project === undefined) return [];
    return ['pull', 'push', 'delete'].filter((action) => isAllowed(account, project, 'repository', action));
  }
}
