/**
 * Requests to a registry with the login that it asks for: first with what is known (nothing, a token, Basic), then with what its challenge
 * wants, once. Redirects are followed; a credential or token stays with the host that it is for.
 */

import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { MovedRepositories } from './moved-repositories.ts';
import { type FollowedAnswer, followRedirects, type RedirectRule } from './redirects.ts';
import { hasEmptyChallenge, isUpstreamRefusal, toResponseFailure } from './response-failure.ts';
import { Tokens, type TokenService, toBasic, toSecrets } from './tokens.ts';
import type { HttpRequest, HttpResponse, OpenResponse, RegistryOperation, Transport } from './transport.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD';
  readonly repository: string;
  /** Below `/v2/<repository>/`, with its query: `manifests/v1`. */
  readonly path: string;
  readonly operation: RegistryOperation;
  readonly accept?: string;
  readonly range?: string;
  readonly maxBytes: number;
  /** The caller checks a digest: then even a redirect from https to http can do no harm. */
  readonly isVerified: boolean;
  /** Default `everywhere`. */
  readonly redirects?: RedirectRule;
}

export interface Login {
  readonly endpoint: Endpoint;
  readonly credential: Credential | undefined;
}

type Exchange<Response extends HttpResponse> = (
  endpoint: Endpoint,
  request: HttpRequest,
  signal: AbortSignal,
) => Promise<Response>;

export class RegistryClient {
  readonly #transport: Transport;
  readonly #tokens: Tokens;
  /** How a host wants to be asked. Harbor shows its Bearer challenge only to requests that carry no Authorization. */
  readonly #schemes = new Map<string, TokenService | 'basic'>();
  readonly #moved = new MovedRepositories();

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#tokens = new Tokens(transport);
  }

  /**
   * The answer, whatever its status; a 401 is the registry's last word.
   * @throws Failure as `Transport.send`; `auth` where the credential rules forbid to log in; `upstream` for redirects that lead nowhere.
   */
  send(request: RegistryRequest, login: Login, signal: AbortSignal): Promise<HttpResponse> {
    return this.#logIn(request, login, signal, (...exchange) => this.#transport.send(...exchange));
  }

  /** As `send`, but a success comes with the first byte of its body, as `Transport.open` has it. */
  open(request: RegistryRequest, login: Login, signal: AbortSignal): Promise<OpenResponse> {
    return this.#logIn(request, login, signal, (...exchange) => this.#transport.open(...exchange));
  }

  /**
   * The refusal as a Failure, free of everything that was sent as a secret. Of a 401 it says whose fault it is, for which a Harbor is asked once more.
   * @throws an abort throws `signal.reason`
   */
  async toFailure(
    response: HttpResponse,
    subject: string,
    request: RegistryRequest,
    login: Login,
    signal: AbortSignal,
  ): Promise<Failure> {
    const { endpoint, credential } = login;
    const token = this.#tokens.cached(endpoint, request.repository, credential);
    const secrets = toSecrets(credential);
    const failure = toResponseFailure(
      response,
      subject,
      token === undefined ? secrets : [...secrets, token],
      Date.now(),
    );
    if (response.status !== 401 || failure.code !== 'auth') return failure;
    if (credential === undefined) return new Failure('auth', `${failure.message} (without a credential)`, failure);
    const isValid = await this.#isValid(login, signal);
    const name = credential.username;
    if (isValid === true) {
      const project = request.repository.split('/')[0] ?? '';
      const message = `${failure.message}: ${name} is a valid account without the right to pull from project ${project}`;
      return new Failure('auth', message, { detail: 'forbidden' });
    }
    const why =
      isValid === false
        ? `the password of ${name} is wrong, or the account is disabled or expired`
        : `the credentials of ${name} may be wrong (some registries give a token to wrong ones too)`;
    return new Failure('auth', `${failure.message}: ${why}`, failure);
  }

  /** Undefined: nobody can tell. */
  async #isValid({ endpoint, credential }: Login, signal: AbortSignal): Promise<boolean | undefined> {
    const service = this.#schemes.get(endpoint.base.origin);
    if (endpoint.harbor !== true || credential === undefined || service === undefined || service === 'basic')
      return undefined;
    try {
      return await this.#tokens.accepts(endpoint, service, credential, signal);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #logIn<Response extends HttpResponse>(
    request: RegistryRequest,
    login: Login,
    signal: AbortSignal,
    exchange: Exchange<Response>,
  ): Promise<Response> {
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
    let answer = await this.#follow(request, endpoint, authorization, signal, exchange);
    while (isRefusedLogin(answer) && !isFresh) {
      const challenges = parseChallenges(answer.response.header('www-authenticate'));
      const next = await this.#answer(challenges, authorization, request, login, signal);
      if (next === undefined || next === authorization) break;
      isFresh = true;
      authorization = next;
      answer = await this.#follow(request, endpoint, authorization, signal, exchange);
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

  #follow<Response extends HttpResponse>(
    request: RegistryRequest,
    endpoint: Endpoint,
    authorization: string | undefined,
    signal: AbortSignal,
    exchange: Exchange<Response>,
  ): Promise<FollowedAnswer<Response>> {
    const { method, maxBytes, operation, accept, range, isVerified, redirects: rule = 'everywhere' } = request;
    const { origin } = endpoint.base;
    const repository = this.#moved.nameOf(origin, request.repository);
    const start = new URL(`v2/${repository}/${request.path}`, endpoint.base);
    const get = (url: URL, isForeign: boolean): Promise<Response> => {
      const headers = {
        ...(accept === undefined ? {} : { accept }),
        ...(range === undefined ? {} : { range }),
        ...(authorization === undefined || isForeign ? {} : { authorization }),
      };
      return exchange(endpoint, { method, url, headers, maxBytes, operation }, signal);
    };
    return followRedirects(start, endpoint, { rule, isVerified }, get, (response, target) =>
      this.#moved.note(origin, repository, request.path, response, target),
    );
  }
}

/** A 401 that another login may change. Harbor's without a challenge, and its upstream's, are about something else. */
function isRefusedLogin({ response, isForeign }: FollowedAnswer<HttpResponse>): boolean {
  return response.status === 401 && !isForeign && !hasEmptyChallenge(response) && !isUpstreamRefusal(response);
}

/** Only the right to pull is ever asked for, whatever a challenge suggests. */
function toPullScopes(scope: string): string[] {
  return scope.split(' ').flatMap((one) => {
    const repository = /^repository:(.+):[a-z,*]*$/.exec(one)?.[1];
    return repository === undefined ? [] : [`repository:${repository}:pull`];
  });
}
