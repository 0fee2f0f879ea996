/**
 * The HTTP connection to a Kubernetes API server, on undici: one HTTP/2 connection for its watches and all other requests. It is
 * handed to cluster/, whose `ApiConnection` this is.
 */

import { Agent, request } from 'undici';
import { untilAborted } from '../core/abort.ts';
import { Failure } from '../core/failure.ts';
import { toNetworkFailure } from './network-failure.ts';

export interface ApiServerTls {
  readonly ca: string | undefined;
  readonly caSource: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
}

export interface ApiServerRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface ApiServerResponse {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

export interface ApiServerTimeouts {
  /** Until the connection and its TLS stand. */
  readonly connectMs: number;
  /** Until the first byte of an answer; then the connection itself is tested, and replaced when it is dead. */
  readonly headersMs: number;
  /** One request, connecting and body included. Watches have no such end. */
  readonly totalMs: number;
}

export const defaultApiServerTimeouts: ApiServerTimeouts = { connectMs: 10_000, headersMs: 10_000, totalMs: 30_000 };

/**
 * An aborted request is taken back from undici this much later, so that its body is on its way by then. A stream that is closed and destroyed
 * while its body waits for the socket makes nghttp2 send empty frames for it without end, 100 MB/s of memory (Node 24.21, undici 8.12:
 * a provider whose stream is gone answers 0 bytes, and no end).
 */
const bodyGraceMs = 1_000;

/** A namespace may hold many ConfigMaps of up to 1 MiB each. */
const maxBodyBytes = 128 * 1024 * 1024;

/** @param server without a slash at its end; it may have a path */
export function createApiDispatcher(server: string, tls: ApiServerTls, timeouts = defaultApiServerTimeouts) {
  const { origin } = new URL(server);
  const dispatcher = new Agent({
    allowH2: true,
    headersTimeout: timeouts.headersMs,
    // Watches are silent between bookmarks: who reads them knows for how long that is all right.
    bodyTimeout: 0,
    connect: {
      timeout: timeouts.connectMs,
      // As client-go: below the 60 s after which load balancers forget a connection.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    },
  });

  async function exchange(one: ApiServerRequest, signal: AbortSignal): Promise<ApiServerResponse> {
    const { method, url, headers, body } = one;
    using late = abortedAfter(signal, body === undefined ? 0 : bodyGraceMs);
    const response = await request(url, { method, headers, body: body ?? null, dispatcher, signal: late.signal });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBodyBytes) throw new Failure('other', `${origin} sends more than ${maxBodyBytes} bytes`);
    }
    const retryAfter = Number(response.headers['retry-after'] ?? Number.NaN);
    return {
      status: response.statusCode,
      body: Buffer.concat(chunks).toString('utf8'),
      retryAfterMs: Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter * 1000 : undefined,
    };
  }

  const toFailure = (error: unknown): Failure => toApiServerFailure(error, server, tls);

  return {
    dispatcher,
    toFailure,

    async send(one: ApiServerRequest, signal: AbortSignal): Promise<ApiServerResponse> {
      signal.throwIfAborted();
      const deadline = AbortSignal.timeout(timeouts.totalMs);
      const either = AbortSignal.any([signal, deadline]);
      try {
        // undici hears an abort only once the connection stands.
        return await untilAborted(exchange(one, either), either);
      } catch (error) {
        signal.throwIfAborted();
        if (deadline.aborted) {
          throw new Failure('timeout', `${origin} did not finish its answer within ${timeouts.totalMs / 1000} s`);
        }
        throw toFailure(error);
      }
    },

    retire(): void {
      void dispatcher.close().catch(() => undefined);
    },

    async destroy(): Promise<void> {
      await dispatcher.destroy();
    },
  };
}

/** A signal that fires so much later than the given one; not any more once it is disposed of. */
function abortedAfter(signal: AbortSignal, ms: number): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => controller.abort(signal.reason);
  const onAbort = (): void => {
    if (ms === 0) abort();
    else timer = setTimeout(abort, ms).unref();
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    },
  };
}

function toApiServerFailure(error: unknown, server: string, tls: ApiServerTls): Failure {
  if (error instanceof Failure) return error;
  const url = new URL(server);
  const failure = toNetworkFailure(error, url, {
    host: url.host,
    plainHTTP: false,
    insecureSkipVerify: tls.insecureSkipVerify,
    caFile: tls.caSource,
    tokenHosts: [],
    base: url,
  });
  if (failure.code === 'tls' && failure.detail === 'tls_ca') {
    const authority = tls.caSource ?? "the system's authorities";
    return new Failure('tls', `the certificate of ${url.host} is not trusted: it is not signed by ${authority}`, {
      detail: 'tls_ca',
      cause: error,
    });
  }
  return failure;
}
