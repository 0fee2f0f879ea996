/** Bearer tokens of the distribution token specification (`docs/spec/auth/token`), got by GET and kept until shortly before they expire. */

import { createHash } from 'node:crypto';
import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type Endpoint, toTokenService } from './endpoint.ts';
import { toResponseFailure } from './response-failure.ts';
import type { Transport } from './transport.ts';

export interface TokenService {
  readonly realm: string;
  readonly service: string | undefined;
}

/** The specification's default where a token service does not say how long its token lasts. */
const defaultLifetimeMs = 60_000;
/** A token is not used in the last part of its life: clocks differ, and requests take time. */
const usableShare = 0.8;
const maxTokens = 1_000;
const maxBytes = 1024 * 1024;

export class Tokens {
  readonly #transport: Transport;
  readonly #tokens = new Map<string, { token: string; refreshAt: number }>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  cached(endpoint: Endpoint, repository: string, credential: Credential | undefined): string | undefined {
    const key = toKey(endpoint, repository, credential);
    const found = this.#tokens.get(key);
    if (found !== undefined && found.refreshAt > Date.now()) return found.token;
    this.#tokens.delete(key);
    return undefined;
  }

  forget(endpoint: Endpoint, repository: string, credential: Credential | undefined): void {
    this.#tokens.delete(toKey(endpoint, repository, credential));
  }

  /**
   * Harbor gives a token for wrong credentials too, one that opens nothing: only the use of it tells.
   * @throws Failure `auth` where the credential rules or the token service refuse; else as `Transport.send`.
   */
  async get(
    endpoint: Endpoint,
    service: TokenService,
    repository: string,
    scopes: readonly string[],
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const url = toTokenService(endpoint, service.realm, credential !== undefined);
    if (service.service !== undefined) url.searchParams.set('service', service.service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const basic = credential === undefined ? undefined : toBasic(credential);
    const response = await this.#transport.send(
      endpoint,
      {
        method: 'GET',
        url,
        headers: { accept: 'application/json', ...(basic === undefined ? {} : { authorization: basic }) },
        maxBytes,
        alwaysVerify: url.host !== endpoint.base.host,
      },
      signal,
    );
    if (response.status !== 200) {
      const secrets =
        credential === undefined || basic === undefined ? [] : [credential.reveal(), basic.slice('Basic '.length)];
      throw toResponseFailure(
        response,
        `a token for ${endpoint.host}/${repository}${as(credential)}`,
        secrets,
        Date.now(),
      );
    }
    const { token, lifetimeMs } = parseToken(response.body, url.host);
    if (this.#tokens.size >= maxTokens) this.#tokens.clear();
    this.#tokens.set(toKey(endpoint, repository, credential), {
      token,
      refreshAt: Date.now() + lifetimeMs * usableShare,
    });
    return token;
  }
}

export function toBasic(credential: Credential): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.reveal()}`).toString('base64')}`;
}

/** ` as robot$app`, for messages. */
export function as(credential: Credential | undefined): string {
  return credential === undefined ? ' without a credential' : ` as ${credential.username}`;
}

/** Harbor sends an empty `access_token` beside `token`; others send only one of the two. */
function parseToken(body: Buffer, host: string): { token: string; lifetimeMs: number } {
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    document = undefined;
  }
  const fields =
    typeof document === 'object' && document !== null ? (document as Readonly<Record<string, unknown>>) : {};
  const token = fields['token'] || fields['access_token'];
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new Failure('upstream', `the token service ${host} answers without a token`);
  }
  const seconds = fields['expires_in'];
  const isLifetime = typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0;
  return { token, lifetimeMs: isLifetime ? seconds * 1000 : defaultLifetimeMs };
}

/** A changed password is another login, also where the user name stays. */
function toKey(endpoint: Endpoint, repository: string, credential: Credential | undefined): string {
  const login = credential === undefined ? '' : createHash('sha256').update(toBasic(credential)).digest('base64');
  return `${endpoint.base.origin} ${repository} ${login}`;
}
