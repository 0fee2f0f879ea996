/**
 * Requests to a registry with the login that it asks for: first with what is known (nothing, a token, Basic), then with what its challenge
 * wants, once. Redirects are followed; a credential or token stays with the host that it is for.
 */

import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Endpoint, isSameOrigin } from './endpoint.ts';
import { toResponseFailure } from './response-failure.ts';
import { Tokens, type TokenService, toBasic } from './tokens.ts';
import type { HttpResponse, Transport } from './transport.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD';
  readonly repository: string;
  /** Below `/v2/<repository>/`: `manifests/v1`. */
  readonly path: string;
  readonly accept?: string;
  readonly maxBytes: number;
  /** The caller checks a digest: then even a redirect from https to http can do no harm. */
  readonly isVerified: boolean;
}

export interface Login {
  readonly endpoint: Endpoint;
  readonly credential: Credential | undefined;
}

interface Answer {
  readonly response: HttpResponse;
  /** Some other host gave it, without having seen a credential. */
  readonly isForeign: boolean;
}

const maxRedirects = 5;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class RegistryClient {
  readonly #transport: Transport;
  readonly #tokens: Tokens;
  /** How a host wants to be asked. Harbor shows its Bearer challenge only to requests that carry no Authorization. */
  readonly #schemes = new Map<string, TokenService | 'basic'>();

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#tokens = new Tokens(transport);
  }

  /**
   * The answer, whatever its status; a 401 is the registry's last word.
   * @throws Failure as `Transport.send`; `auth` where the credential rules forbid to log in; `upstream` for redirects that lead nowhere.
   */
  async send(request: RegistryRequest, login: Login, signal: AbortSignal): Promise<HttpResponse> {
    const { endpoint } = login;
    let authorization = this.#cachedAuthorization(request, login);
    let isFresh = false;
    if (authorization === undefined) {
      const scheme = this.#schemes.get(endpoint.base.origin);
      if (scheme !== undefined && scheme !== 'basic') {
        authorization = await this.#bearer(scheme, [], request, login, signal);
        isFresh = true;
      }
    }
    let answer = await this.#follow(request, endpoint, authorization, signal);
    while (answer.response.status === 401 && !answer.isForeign && !isFresh) {
      const challenges = parseChallenges(answer.response.header('www-authenticate'));
      const next = await this.#answer(challenges, authorization, request, login, signal);
      if (next === undefined || next === authorization) break;
      isFresh = true;
      authorization = next;
      answer = await this.#follow(request, endpoint, authorization, signal);
    }
    const { response, isForeign } = answer;
    if (isForeign && response.status >= 400) {
      throw new Failure(
        'upstream',
        `${endpoint.host} redirects to ${response.url.host}, which answers ${response.status}`,
      );
    }
    return response;
  }

  /** The refusal as a Failure, free of everything that was sent as a secret. */
  toFailure(response: HttpResponse, subject: string, request: RegistryRequest, login: Login): Failure {
    const { endpoint, credential } = login;
    const token = this.#tokens.cached(endpoint, request.repository, credential);
    const secrets = credential === undefined ? [] : [credential.reveal(), toBasic(credential).slice('Basic '.length)];
    return toResponseFailure(response, subject, token === undefined ? secrets : [...secrets, token], Date.now());
  }

  #cachedAuthorization(request: RegistryRequest, { endpoint, credential }: Login): string | undefined {
    if (this.#schemes.get(endpoint.base.origin) === 'basic') return credential && toBasic(credential);
    const token = this.#tokens.cached(endpoint, request.repository, credential);
    return token === undefined ? undefined : `Bearer ${token}`;
  }

  /** What to send instead of `sent`; undefined: nothing better is to be had. */
  async #answer(
    challenges: readonly Challenge[],
    sent: string | undefined,
    request: RegistryRequest,
    login: Login,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { endpoint, credential } = login;
    if (sent?.startsWith('Bearer ')) this.#tokens.forget(endpoint, request.repository, credential);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    if (bearer !== undefined) {
      const service = { realm: bearer.parameters.get('realm') ?? '', service: bearer.parameters.get('service') };
      this.#schemes.set(endpoint.base.origin, service);
      const scopes = toPullScopes(bearer.parameters.get('scope') ?? '');
      return this.#bearer(service, scopes, request, login, signal);
    }
    const known = this.#schemes.get(endpoint.base.origin);
    if (sent?.startsWith('Bearer ') && known !== undefined && known !== 'basic') {
      return this.#bearer(known, [], request, login, signal);
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) return undefined;
    if (sent === undefined) this.#schemes.set(endpoint.base.origin, 'basic');
    return credential && toBasic(credential);
  }

  async #bearer(
    service: TokenService,
    scopes: readonly string[],
    { repository }: RegistryRequest,
    { endpoint, credential }: Login,
    signal: AbortSignal,
  ): Promise<string> {
    const wanted = [...new Set([`repository:${repository}:pull`, ...scopes])];
    try {
      return `Bearer ${await this.#tokens.get(endpoint, service, repository, wanted, credential, signal)}`;
    } catch (error) {
      // The address may have changed: the next request asks for the challenge again.
      this.#schemes.delete(endpoint.base.origin);
      throw error;
    }
  }

  async #follow(
    request: RegistryRequest,
    endpoint: Endpoint,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    let url = new URL(`v2/${request.repository}/${request.path}`, endpoint.base);
    let isForeign = false;
    for (let redirects = 0; ; redirects += 1) {
      const headers = {
        ...(request.accept === undefined ? {} : { accept: request.accept }),
        ...(authorization === undefined || isForeign ? {} : { authorization }),
      };
      const { method, maxBytes } = request;
      const response = await this.#transport.send(endpoint, { method, url, headers, maxBytes }, signal);
      if (!redirectStatuses.has(response.status)) return { response, isForeign };
      if (redirects === maxRedirects)
        throw new Failure('upstream', `${endpoint.host} redirects more than ${maxRedirects} times`);
      const location = response.header('location')[0] ?? '';
      if (location === '' || !URL.canParse(location, url.href)) {
        throw new Failure('upstream', `${url.host} redirects without saying where to`);
      }
      const target = new URL(location, url);
      const isHttp =
        target.protocol === 'https:' ||
        (target.protocol === 'http:' && (url.protocol === 'http:' || request.isVerified));
      if (!isHttp)
        throw new Failure(
          'upstream',
          `${url.host} redirects to ${target.protocol}//${target.host}, which is not followed`,
        );
      target.username = '';
      target.password = '';
      // Once away the credential stays away, also where a later redirect leads back.
      isForeign ||= !isSameOrigin(target, endpoint.base);
      url = target;
    }
  }
}

/** Only the right to pull is ever asked for, whatever a challenge suggests. */
function toPullScopes(scope: string): string[] {
  return scope.split(' ').flatMap((one) => {
    const repository = /^repository:(.+):[a-z,*]*$/.exec(one)?.[1];
    return repository === undefined ? [] : [`repository:${repository}:pull`];
  });
}
