/**
 * Requests to Harbor's REST API 2.0. Every answer sets a session cookie, and a write that carries it is refused: nothing is kept or sent. Every
 * request has an id of its own, which Harbor echoes and logs.
 */

import { randomUUID } from 'node:crypto';
import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type EndpointSettings, toEndpoint } from './endpoint.ts';
import { type Fields, fieldsOf, parseJson } from './harbor-documents.ts';
import { type NeededPermission, missingProject, notHarbor, toRefusal } from './harbor-refusal.ts';
import { toBasic } from './tokens.ts';
import type { HttpResponse, RegistryLog, Transport } from './transport.ts';

/** Undefined: anonymous. */
export interface HarborAccount {
  readonly host: string;
  readonly credential: Credential | undefined;
}

export interface HarborQuestion {
  /** Below `/api/v2.0/`, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** For messages. */
  readonly subject: string;
  readonly needs?: NeededPermission;
}

/** A page of artifacts with their image configs and scans. */
const maxBytes = 32 * 1024 * 1024;
/** Harbor's own limit: 101 is refused. */
const pageSize = 100;
const maxPages = 1_000;
/** The service that Harbor's tokens are for. */
const tokenService = 'harbor-registry';

export class HarborClient {
  readonly #transport: Transport;
  readonly #registries: () => readonly EndpointSettings[];
  readonly #log: RegistryLog | undefined;

  constructor(transport: Transport, registries: () => readonly EndpointSettings[], log: RegistryLog | undefined) {
    this.#transport = transport;
    this.#registries = registries;
    this.#log = log;
  }

  /** @throws Failure by `toRefusal` */
  async read(account: HarborAccount, question: HarborQuestion, signal: AbortSignal): Promise<Fields> {
    const document = parseJson((await this.#get(account, question, signal)).body);
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      throw notHarbor(account.host, question.subject);
    }
    return document as Fields;
  }

  /** A list that has no pages. */
  async readList(account: HarborAccount, question: HarborQuestion, signal: AbortSignal): Promise<readonly Fields[]> {
    return (await this.#page(account, question, signal)).items;
  }

  async readText(account: HarborAccount, question: HarborQuestion, signal: AbortSignal): Promise<string> {
    return (await this.#get(account, question, signal)).body.toString('utf8');
  }

  /** The items of all `pages`. */
  async readPages(account: HarborAccount, question: HarborQuestion, signal: AbortSignal): Promise<readonly Fields[]> {
    return (await Array.fromAsync(this.pages(account, question, signal))).flat();
  }

  /**
   * All pages one by one, until X-Total-Count items were there or a page is empty. `Link` is not followed: its query is not escaped. An item that
   * moved to the next page meanwhile comes twice. @throws Failure also beyond 100,000 items
   */
  async *pages(
    account: HarborAccount,
    question: HarborQuestion,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Fields[], void> {
    let count = 0;
    let before: Buffer | undefined;
    for (let page = 1; page <= maxPages; page += 1) {
      const query = { ...question.query, page, page_size: pageSize };
      const { items, total, body } = await this.#page(account, { ...question, query }, signal);
      if (items.length > 0 && before?.equals(body) === true) {
        throw new Failure('upstream', `${account.host} answers every page of ${question.subject} with the same one`);
      }
      before = body;
      count += items.length;
      yield items;
      if (items.length === 0 || (total !== undefined && count >= total)) return;
    }
    throw new Failure('other', `${account.host} has more than ${maxPages * pageSize} entries for ${question.subject}`);
  }

  /**
   * Whether there is a project of this name, which needs valid credentials and no permission. Its answers have no body, so a 404 counts
   * only with the id that Harbor gives every answer.
   */
  async hasProject(account: HarborAccount, project: string, signal: AbortSignal): Promise<boolean> {
    const question = { path: 'projects', query: { project_name: project }, subject: `project ${project}` };
    const response = await this.#send('HEAD', account, question, signal);
    if (response.status === 200) return true;
    if (response.status === 404 && response.header('x-request-id').length > 0) return false;
    throw this.#refusal(account, question, response);
  }

  /** The scope-less token call: with a scope Harbor gives a token to wrong passwords too. */
  async acceptsCredential(account: HarborAccount, signal: AbortSignal): Promise<boolean> {
    const endpoint = toEndpoint(account.host, this.#registries());
    const url = new URL('service/token', endpoint.base);
    url.searchParams.set('service', tokenService);
    const headers = { accept: 'application/json', ...authorizationOf(account) };
    const request = { method: 'GET', url, headers, maxBytes, operation: 'token' } as const;
    const response = await this.#transport.send(endpoint, request, signal);
    if (response.status === 401) return false;
    const question = { path: '', subject: 'a token without a scope' };
    if (response.status !== 200) throw this.#refusal(account, question, response);
    if (typeof fieldsOf(parseJson(response.body))['token'] !== 'string')
      throw notHarbor(account.host, question.subject);
    return true;
  }

  async #page(
    account: HarborAccount,
    question: HarborQuestion,
    signal: AbortSignal,
  ): Promise<{ readonly items: readonly Fields[]; readonly total: number | undefined; readonly body: Buffer }> {
    const response = await this.#get(account, question, signal);
    const document = parseJson(response.body);
    if (document !== null && !Array.isArray(document)) throw notHarbor(account.host, question.subject);
    const total = Number(response.header('x-total-count')[0] ?? Number.NaN);
    return {
      items: (document ?? []).map(fieldsOf),
      total: Number.isSafeInteger(total) && total >= 0 ? total : undefined,
      body: response.body,
    };
  }

  async #get(account: HarborAccount, question: HarborQuestion, signal: AbortSignal): Promise<HttpResponse> {
    const response = await this.#send('GET', account, question, signal);
    if (response.status === 200) return response;
    const project = question.needs?.project;
    // Harbor answers 403 to every robot for a project that is not there.
    if (response.status === 403 && project !== undefined && !(await this.#mayExist(account, project, signal))) {
      throw missingProject(account.host, project);
    }
    throw this.#refusal(account, question, response);
  }

  async #mayExist(account: HarborAccount, project: string, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.hasProject(account, project, signal);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return true;
    }
  }

  async #send(
    method: 'GET' | 'HEAD',
    account: HarborAccount,
    { path, query = {} }: HarborQuestion,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const endpoint = toEndpoint(account.host, this.#registries());
    const url = new URL(`api/v2.0/${path}`, endpoint.base);
    url.search = Object.entries(query)
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join('&');
    const requestId = randomUUID();
    const headers = {
      accept: 'application/json',
      'x-request-id': requestId,
      // A name that is all digits would be taken for an id.
      ...(path.startsWith('projects/') ? { 'x-is-resource-name': 'true' } : {}),
      ...authorizationOf(account),
    };
    const response = await this.#transport.send(endpoint, { method, url, headers, maxBytes, operation: 'api' }, signal);
    const { status } = response;
    this.#log?.debug({ registry: account.host, method, path: url.pathname, status, requestId }, 'Harbor answered');
    return response;
  }

  #refusal({ host, credential }: HarborAccount, { subject, needs }: HarborQuestion, response: HttpResponse): Failure {
    const secrets = credential === undefined ? [] : [credential.reveal(), toBasic(credential).slice('Basic '.length)];
    return toRefusal({ response, host, subject, username: credential?.username, secrets, needs }, Date.now());
  }
}

/** `a/b` becomes `a%252Fb`: gateways decode the first layer, and Harbor the second. */
export function toRepositoryPath(project: string, repository: string): string {
  return `projects/${encodeURIComponent(project)}/repositories/${encodeURIComponent(encodeURIComponent(repository))}`;
}

function authorizationOf({ credential }: HarborAccount): { authorization?: string } {
  return credential === undefined ? {} : { authorization: toBasic(credential) };
}
