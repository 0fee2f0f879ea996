import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage, Failure } from '../core/failure.ts';
import type { CheckResult, Health } from './health.ts';

export interface HttpServerParts {
  /** Port 0 takes a free one; `start` returns it. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly health: Pick<Health, 'live' | 'ready'>;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** What `GET /v1/plan` answers, as JSON; without it the path does not exist. */
  readonly plan?: (signal: AbortSignal) => Promise<unknown>;
}

export interface HttpServer {
  /**
   * Resolves once it listens; serves until the signal fires.
   * @throws Failure `other` when the address cannot be listened on
   */
  start(signal: AbortSignal): Promise<{ host: string; port: number }>;
  /** Resolves once it is closed and every connection with it. */
  stop(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

type Route = (url: URL, signal: AbortSignal) => Reply | Promise<Reply>;

/** A reader that hangs holds a socket no longer than this. */
const requestTimeoutMs = 10_000;
const plainText = 'text/plain; charset=utf-8';

/** The agent's HTTP port: it only reads, so GET and HEAD are all it knows, and no answer is ever cached. */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  const { listen } = parts;
  const routes = createRoutes(parts);
  const running = new AbortController();
  const server = createServer((request, response) => {
    answer(request, response, routes, running.signal).catch(() => response.destroy());
  });
  server.headersTimeout = requestTimeoutMs;
  server.requestTimeout = requestTimeoutMs;
  server.maxConnections = 256;

  const stop = async (): Promise<void> => {
    running.abort();
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.once('close', resolve));
    server.close();
    server.closeAllConnections();
    await closed;
  };

  return {
    start: async (signal) => {
      signal.throwIfAborted();
      await startListening(server, listen);
      signal.addEventListener('abort', () => void stop(), { once: true });
      if (signal.aborted) await stop();
      signal.throwIfAborted();
      return { host: listen.host, port: (server.address() as AddressInfo).port };
    },
    stop,
  };
}

function createRoutes({ health, metrics, plan }: HttpServerParts): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>([
    ['/livez', (url) => toHealthReply('livez', health.live(), url)],
    ['/readyz', (url) => toHealthReply('readyz', health.ready(), url)],
    ['/metrics', async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.render() })],
  ]);
  if (plan !== undefined) {
    routes.set('/v1/plan', async (_url, signal) => ({
      status: 200,
      contentType: 'application/json',
      body: `${JSON.stringify(await plan(signal))}\n`,
    }));
  }
  const index = `Stevedore\n\n${[...routes.keys()].join('\n')}\n`;
  routes.set('/', () => ({ status: 200, contentType: plainText, body: index }));
  return routes;
}

/** As the Kubernetes API server writes it: `ok`, or with `?verbose` and on failure one line a check. */
function toHealthReply(name: string, checks: readonly CheckResult[], url: URL): Reply {
  const healthy = checks.every(({ ok }) => ok);
  const status = healthy ? 200 : 503;
  if (healthy && !url.searchParams.has('verbose')) return { status, contentType: plainText, body: 'ok\n' };
  const lines = checks.map((check) => (check.ok ? `[+]${check.name} ok` : `[-]${check.name} failed: ${check.message}`));
  const body = `${[...lines, `${name} check ${healthy ? 'passed' : 'failed'}`].join('\n')}\n`;
  return { status, contentType: plainText, body };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  running: AbortSignal,
): Promise<void> {
  const reply = await findReply(request, response, routes, running);
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(reply.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(reply.body);
}

async function findReply(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  running: AbortSignal,
): Promise<Reply> {
  const url = URL.parse(request.url ?? '', 'http://stevedore');
  if (url === null) return { status: 400, contentType: plainText, body: 'bad request\n' };
  const route = routes.get(url.pathname);
  if (route === undefined) return { status: 404, contentType: plainText, body: 'not found\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, contentType: plainText, body: 'only GET and HEAD\n' };
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    return await route(url, AbortSignal.any([gone.signal, running]));
  } catch (error) {
    return { status: 500, contentType: plainText, body: `${errorMessage(error)}\n` };
  }
}

async function startListening(server: Server, { host, port }: HttpServerParts['listen']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const why = listenProblems.get(error.code ?? '') ?? error.message;
      reject(new Failure('other', `cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    };
    server.once('error', fail);
    // Without a host Node takes `::`, which serves both families, and `0.0.0.0` where the kernel has no IPv6.
    server.listen({ port, ...(host === '::' ? {} : { host }) }, () => {
      server.removeListener('error', fail);
      resolve();
    });
  });
}

const listenProblems: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another process listens there'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['EACCES', 'not permitted'],
]);
