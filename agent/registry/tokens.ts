/**
 * Bearer tokens of the distribution token specification (`docs/spec/auth/token`), kept until shortly before they expire. Only ever got
 * by GET: Harbor answers 405 to the specification's POST.
 */

import { createHash } from 'node:crypto';
import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type Endpoint, toTokenService } from './endpoint.ts';
import { toResponseFailure } from './response-failure.ts';
import type { HttpResponse, Transport } from './transport.ts';

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
/** Harbor takes 1.5 s to refuse a login, and a wrong one is asked about for each of its images. */
const verdictLastsMs = 60_000;

export class Tokens {
  readonly #transport: Transport;
  readonly #tokens = new Map<string, { token: string; refreshAt: number }>();
  readonly #verdicts = new Map<string, { isAccepted: boolean; until: number }>();

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
    const response = await this.#ask(endpoint, service, scopes, credential, signal);
    if (response.status !== 200) {
      const subject = `a token for ${endpoint.host}/${repository}${as(credential)}`;
      throw toResponseFailure(response, subject, toSecrets(credential), Date.now());
    }
    const { token, lifetimeMs } = parseToken(response.body, response.url.host);
    if (this.#tokens.size >= maxTokens) this.#tokens.clear();
    this.#tokens.set(toKey(endpoint, repository, credential), {
      token,
      refreshAt: Date.now() + lifetimeMs * usableShare,
    });
    return token;
  }

  /**
   * Whether Harbor knows the login: asked without a scope it refuses a wrong one (2.15.2), where with a scope it would give it a token.
   * Undefined: it does not say. Remembered for a minute.
   * @throws Failure as `get`
   */
  async accepts(
    endpoint: Endpoint,
    service: TokenService,
    credential: Credential,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const key = `${endpoint.base.origin} ${fingerprint(credential)}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined && known.until > Date.now()) return known.isAccepted;
    const { status } = await this.#ask(endpoint, service, [], credential, signal);
    if (status !== 200 && status !== 401) return undefined;
    if (this.#verdicts.size >= maxTokens) this.#verdicts.clear();
    this.#verdicts.set(key, { isAccepted: status === 200, until: Date.now() + verdictLastsMs });
    return status === 200;
  }

  async #ask(
    endpoint: Endpoint,
    service: TokenService,
    scopes: readonly string[],
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const url = toTokenService(endpoint, service.realm, credential !== undefined);
    if (service.service !== undefined) url.searchParams.set('service', service.service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers = {
      accept: 'application/json',
      ...(credential === undefined ? {} : { authorization: toBasic(credential) }),
    };
    const alwaysVerify = url.host !== endpoint.base.host;
    return this.#transport.send(
      endpoint,
      { method: 'GET', url, headers, maxBytes, alwaysVerify, operation: 'token' },
      signal,
    );
  }
}

export function toBasic(credential: Credential): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.reveal()}`).toString('base64')}`;
}

/** What must not show of it in an error: the password as such and as it is sent. */
export function toSecrets(credential: Credential | undefined): string[] {
  return credential === undefined ? [] : [credential.reveal(), toBasic(credential).slice('Basic '.length)];
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

/** Harbor's tokens hold all rights of the account in the project (2.15.2), other registries' only those in the repository. */
function toKey({ base, harbor }: Endpoint, repository: string, credential: Credential | undefined): string {
  const part = harbor === true ? `${repository.split('/')[0] ?? ''}/` : repository;
  return `${base.origin} ${part} ${fingerprint(credential)}`;
}

/** A changed password is another login, also where the user name stays. */
function fingerprint(credential: Credential | undefined): string {
  return credential === undefined ? '' : createHash('sha256').update(toBasic(credential)).digest('base64');
}
