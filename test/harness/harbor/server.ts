/** The HTTP server of the double: logs requests, breaks what a test wants broken, knows who asks. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { anonymous, parseBasic } from './accounts.ts';
import { type Answer, internalError, sendAnswer } from './answers.ts';
import type { Call, HarborRequest } from './call.ts';
import { RegistryApi } from './registry-api.ts';
import { RestApi } from './rest-api.ts';
import type { HarborSystem } from './system.ts';
import { TokenService } from './token-service.ts';

export interface HarborFaults {
  /** Before every answer. */
  delayMs?: number | undefined;
  /** These are taken and never answered. */
  hang?: ((method: string, path: string) => boolean) | undefined;
  /** Answered instead of Harbor: `htmlPage(502)`, `plainError(429, { 'Retry-After': '3' })`. */
  answer?: ((method: string, path: string) => Answer | undefined) | undefined;
}

export interface HarborServer {
  readonly port: number;
  readonly requests: HarborRequest[];
  readonly faults: HarborFaults;
  readonly tokens: TokenService;
  readonly registryApi: RegistryApi;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** What nginx answers when core is away. */
export function htmlPage(status: number, title = 'Bad Gateway'): Answer {
  const heading = `${status} ${title}`;
  const body = `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return { status, headers: { 'Content-Type': 'text/html' }, body };
}

export function plainError(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: `${status}\n` };
}

export async function startServer(system: HarborSystem, tls: Tls | undefined): Promise<HarborServer> {
  const requests: HarborRequest[] = [];
  const faults: HarborFaults = {};
  const tokens = new TokenService(system);
  const registryApi = new RegistryApi(system);
  const restApi = new RestApi(system);

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const record = toRecord(incoming);
    requests.push(record);
    const gone = new AbortController();
    outgoing.on('close', () => {
      record.endedAt = performance.now();
      record.complete = outgoing.writableFinished;
      gone.abort();
    });
    const { signal } = gone;
    if (faults.delayMs !== undefined) await wait(faults.delayMs, undefined, { signal });
    if (faults.hang?.(record.method, record.path) === true) return;
    const answer = faults.answer?.(record.method, record.path) ?? (await toAnswer(incoming, record, signal));
    record.status = answer.status;
    const own = { 'X-Request-Id': String(incoming.headers['x-request-id'] ?? crypto.randomUUID()) };
    const cookie = record.path.startsWith('/api/')
      ? { 'Set-Cookie': 'sid=00000000000000000000; Path=/; HttpOnly' }
      : {};
    await sendAnswer(outgoing, record.method, { ...answer, headers: { ...own, ...cookie, ...answer.headers } }, signal);
  };

  const toAnswer = async (incoming: IncomingMessage, record: HarborRequest, signal: AbortSignal): Promise<Answer> => {
    const { headers } = incoming;
    const { method, path } = record;
    const login = parseBasic(headers.authorization);
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
    const grant = token === undefined ? undefined : tokens.find(token);
    // Tokens are for `/v2/` only.
    const granted = path.startsWith('/v2') ? grant?.account : undefined;
    const known = login === undefined ? granted : system.accounts.authenticate(login);
    if (login !== undefined && known === undefined) {
      await wait(system.timing.badLoginDelayMs, undefined, { signal });
    }
    // Wrong credentials make nobody of the caller; in a public project that is enough.
    const account = known ?? anonymous;
    record.user = account.kind === 'anonymous' ? undefined : account.name;
    const query = new URLSearchParams(record.query);
    const call: Call = {
      method,
      path,
      query,
      headers,
      account,
      tokenProjects: grant?.projects,
      incoming,
      record,
      signal,
    };
    const scheme = system.installation.externalScheme ?? (tls === undefined ? 'http' : 'https');
    if (path === '/service/token') return tokens.answer(call);
    if (path === '/v2') {
      return {
        ...htmlPage(301, 'Moved Permanently'),
        headers: { 'Content-Type': 'text/html', Location: `${scheme}://${headers.host}/v2/` },
      };
    }
    if (path.startsWith('/v2/')) {
      return registryApi.answer(call, `${scheme}://${headers.host}/service/token`);
    }
    if (path.startsWith('/api/v2.0/')) return restApi.answer(call);
    return { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<!doctype html><title>Harbor</title>\n' };
  };

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    handle(incoming, outgoing).catch(async () => {
      if (outgoing.headersSent || outgoing.destroyed) outgoing.destroy();
      else await sendAnswer(outgoing, incoming.method ?? 'GET', internalError, AbortSignal.timeout(1_000));
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer({ ...tls }, listener);
  let port = 0;
  const start = async (): Promise<void> => {
    if (server.listening) return;
    server.listen({ port, host: '127.0.0.1', backlog: 2_048 });
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await start();
  return { port, requests, faults, tokens, registryApi, start, stop };
}

function toRecord({ method = 'GET', url = '/', headers }: IncomingMessage): HarborRequest {
  const at = url.indexOf('?');
  return {
    method,
    path: at < 0 ? url : url.slice(0, at),
    query: at < 0 ? '' : url.slice(at + 1),
    status: 0,
    user: undefined,
    hasAuthorization: headers.authorization !== undefined,
    hasCookie: headers.cookie !== undefined,
    userAgent: headers['user-agent'],
    accept: headers.accept,
    upstream: { heads: 0, manifests: 0, blobs: 0 },
    at: performance.now(),
    endedAt: undefined,
    complete: false,
  };
}
