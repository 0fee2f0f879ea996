/** From a request to its answer: who is it, may they, what is asked; and the log of it all. */

import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { reviewAccess } from './access-review.ts';
import type { Admission } from './admission.ts';
import { Answer, type AnyResponse } from './answer.ts';
import { authorize, isAccessReview, type Rule } from './authorization.ts';
import type { Connections } from './connections.ts';
import { type ApiServerFaults, takeAnswer } from './faults.ts';
import { toAccepted } from './partial-metadata.ts';
import { type AnyRequest, type ApiRequest, readBody, toLogged, toLoggedBody } from './request-log.ts';
import { parseTarget, type RequestTarget, resources } from './resources.ts';
import { ApiError, internalError, methodNotAllowed, invalid, noSuchResource, trouble, unauthorized } from './status.ts';
import type { Store } from './store.ts';
import type { Tokens, User } from './tokens.ts';
import { patch, update } from './updates.ts';
import { create, get, list, remove } from './verbs.ts';
import { WatchStream } from './watch-stream.ts';

interface Parts {
  readonly store: Store;
  readonly faults: ApiServerFaults;
  readonly tokens: Tokens;
  readonly rules: readonly Rule[];
  readonly connections: Connections;
  readonly options: {
    readonly admission?: Admission;
    readonly bookmarkIntervalMs?: number;
    readonly watchList?: boolean;
    readonly version?: string;
  };
}

const byVerb = { get, list, create, update, patch, delete: remove } as const;

export class Handler {
  readonly requests: ApiRequest[] = [];
  readonly watches = new Set<WatchStream>();
  admission: Admission | undefined;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.admission = parts.options.admission;
  }

  endWatches(): void {
    for (const watch of this.watches) watch.end();
  }

  silenceWatches(): void {
    for (const watch of this.watches) watch.silence();
  }

  serve(request: AnyRequest, response: AnyResponse): void {
    const { faults, connections } = this.#parts;
    const { remotePort } = request.socket;
    const url = new URL(request.url ?? '/', 'https://server');
    const target = parseTarget(request.method ?? 'GET', url.pathname, url.searchParams);
    const logged = toLogged(request, url, target, connections.idOf(remotePort));
    this.requests.push(logged);
    const answer = new Answer(response, faults);
    void this.#answer(request, url, target, logged, answer);
  }

  async #answer(
    request: AnyRequest,
    url: URL,
    target: RequestTarget,
    logged: ApiRequest,
    answer: Answer,
  ): Promise<void> {
    const { faults, connections, tokens, store } = this.#parts;
    const header = request.headers['authorization'];
    const user = tokens.authenticate(
      typeof header === 'string' ? header : undefined,
      (name) => store.get('nodes', undefined, name)?.metadata.uid,
    );
    logged.user = user?.name;
    const planned = takeAnswer(faults, target, user?.name);
    if (faults.hang || planned === 'hang') return;
    if (planned === 'cut') return connections.resetOne(request.socket.remotePort);
    if (faults.delayMs > 0) await wait(faults.delayMs);
    try {
      if (planned !== undefined) throw trouble(planned);
      await this.#dispatch(request, url, target, user, logged, answer);
    } catch (cause) {
      const error = cause instanceof ApiError ? cause : internalError(inspect(cause));
      const retry = error.status.details?.retryAfterSeconds;
      logged.status = error.code;
      send(answer, error.code, error.status, retry === undefined ? {} : { 'retry-after': String(retry) });
    }
  }

  async #dispatch(
    request: AnyRequest,
    url: URL,
    target: RequestTarget,
    user: User | undefined,
    logged: ApiRequest,
    answer: Answer,
  ): Promise<void> {
    const { store, faults, rules, options } = this.#parts;
    const body = await readBody(request);
    logged.body = toLoggedBody(body);
    if (user === undefined) throw unauthorized();
    const refusal = authorize(user, target, url.pathname, rules);
    if (refusal !== undefined) throw refusal;
    const { resource, verb, namespace, name, subresource } = target;
    checkDryRun(verb, url.searchParams);
    if (isAccessReview(target)) {
      if (name !== undefined) throw noSuchResource();
      if (verb !== 'create') throw methodNotAllowed();
      const { code, body: review } = reviewAccess({ contentType: logged.contentType, body }, user, rules);
      logged.status = code;
      return send(answer, code, review);
    }
    if (resource === undefined) return this.#answerOther(url.pathname, target, logged, answer);
    const isLost = resource.namespaced && name !== undefined && namespace === undefined;
    const hasSubresource = subresource === undefined || (subresource === 'status' && resource.hasStatus);
    if (!hasSubresource || (isLost && verb !== 'list' && verb !== 'watch')) throw noSuchResource();
    if ((verb === 'create') === (name !== undefined) && verb !== 'list' && verb !== 'watch') throw methodNotAllowed();
    if (verb === 'watch') {
      const { bookmarkIntervalMs = 60_000, watchList = false } = options;
      const settings = { bookmarkIntervalMs, watchList, silent: faults.silent };
      const place = resource.namespaced ? namespace : undefined;
      logged.status = 200;
      const watch = new WatchStream(store, resource, place, url.searchParams, answer, settings);
      this.watches.add(watch);
      answer.onClose(() => this.watches.delete(watch));
      return;
    }
    const run = verb in byVerb ? byVerb[verb as keyof typeof byVerb] : undefined;
    if (run === undefined) throw methodNotAllowed();
    const { contentType } = logged;
    const { admission } = this;
    const call = { store, admission, resource, target, query: url.searchParams, user, contentType, body };
    const { code, body: found } = run(call);
    const accepted = toAccepted(logged.accept, verb, found);
    logged.status = code;
    send(answer, code, accepted);
  }

  #answerOther(path: string, { plural, group }: RequestTarget, logged: ApiRequest, answer: Answer): void {
    const isKnownGroup = Object.values(resources).some((resource) => resource.group === group);
    if (plural !== undefined && isKnownGroup) throw noSuchResource();
    const { version = 'v1.36.3' } = this.#parts.options;
    const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    logged.status = 200;
    if (path === '/version') return send(answer, 200, { major, minor, gitVersion: version, platform: 'linux/amd64' });
    if (/^\/(?:healthz|livez|readyz)$/.test(path)) return sendText(answer, 200, 'ok');
    logged.status = 404;
    return sendText(answer, 404, '404 page not found\n');
  }
}

function checkDryRun(verb: string, query: URLSearchParams): void {
  const asked = query.getAll('dryRun');
  if (asked.every((one) => one === 'All')) return;
  const kind = `${verb.slice(0, 1).toUpperCase()}${verb.slice(1)}Options`;
  const message = `Unsupported value: ${JSON.stringify(asked)}: supported values: "All"`;
  throw invalid({ group: 'meta.k8s.io', kind }, '', [{ reason: 'FieldValueNotSupported', field: 'dryRun', message }]);
}

function send(answer: Answer, code: number, body: object, headers: Record<string, string> = {}): void {
  answer.begin(code, { 'content-type': 'application/json', 'cache-control': 'no-cache, private', ...headers });
  answer.write(`${JSON.stringify(body)}\n`);
  answer.end();
}

function sendText(answer: Answer, code: number, text: string): void {
  answer.begin(code, { 'content-type': 'text/plain; charset=utf-8' });
  answer.write(text);
  answer.end();
}
