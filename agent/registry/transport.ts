/**
 * HTTP to one registry, its token service and the storage that it redirects to, on undici: bounded connections, times and bodies. Bodies
 * are read, dropped or, where they are long, handed over as they come, so that no connection stays taken and no blob in memory.
 */

import { request } from 'undici';
import { untilAborted } from '../core/abort.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { Connections } from './connections.ts';
import type { Endpoint } from './endpoint.ts';
import { toNetworkFailure } from './network-failure.ts';
import { Slots } from './slots.ts';

export type RegistryLog = Pick<Logger, 'debug' | 'warn'>;

export interface Timeouts {
  /** Until the connection and its TLS stand. */
  readonly connectMs: number;
  /** Without a response header, or without a byte of the body. */
  readonly idleMs: number;
  /** One request with its body; of a body that is handed over only until the headers. */
  readonly totalMs: number;
}

export const defaultTimeouts: Timeouts = { connectMs: 10_000, idleMs: 30_000, totalMs: 120_000 };

/** What a request is for, for metrics. */
export type RegistryOperation = 'token' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'api';

export interface TransportOptions {
  /** Default `stevedore`. */
  readonly userAgent?: string;
  /** At once, to one host; default 4. As many bodies may be handed over besides. */
  readonly maxRequests?: number;
  /** Each answer by its status, redirects too; `error` where there was none. Aborted requests are not told. */
  readonly onRequest?: (registryHost: string, operation: RegistryOperation, code: string) => void;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A longer body of a successful answer is a Failure; of an error it is cut. */
  readonly maxBytes: number;
  /** Verify the certificate also where the registry's settings say not to: the host is another one and gets a credential. */
  readonly alwaysVerify?: boolean;
  /** Default `api`. */
  readonly operation?: RegistryOperation;
}

export interface HttpResponse {
  readonly status: number;
  readonly url: URL;
  readonly body: Buffer;
  /** All lines of a header, by its lower-case name. */
  header(name: string): readonly string[];
}

/** Of a success `body` is empty and `content` is there; of anything else it is the other way round. */
export interface OpenResponse extends HttpResponse {
  /** Breaking off its iteration closes the connection. @throws Failure `network`, `timeout`; an abort throws `signal.reason` */
  readonly content: AsyncIterable<Buffer> | undefined;
  /** From the request to the headers, without the wait for a connection that is free. */
  readonly headersMs: number;
  /** Closes the connection at once, whatever is still to come. */
  breakOff(): void;
}

const defaultMaxRequests = 4;
const maxErrorBytes = 64 * 1024;

type UndiciResponse = Awaited<ReturnType<typeof request>>;

export class Transport {
  readonly #timeouts: Timeouts;
  readonly #options: TransportOptions;
  readonly #slots: Slots;
  /** Of their own: a download of an hour must not keep a HEAD waiting. */
  readonly #openSlots: Slots;
  readonly #connections: Connections;

  constructor(timeouts: Timeouts, log: RegistryLog | undefined, options: TransportOptions = {}) {
    this.#timeouts = timeouts;
    this.#options = options;
    const maxRequests = options.maxRequests ?? defaultMaxRequests;
    this.#slots = new Slots(maxRequests);
    this.#openSlots = new Slots(maxRequests);
    this.#connections = new Connections({ ...timeouts, connections: 2 * maxRequests }, (registry) =>
      log?.warn({ registry }, 'insecureSkipVerify: the registry could be anybody'),
    );
  }

  /**
   * Sends one request and reads the answer, whatever its status. Follows no redirect.
   * @throws Failure `network`, `tls`, `timeout`, `other` (a body beyond the limit); an abort throws `signal.reason`.
   */
  async send(endpoint: Endpoint, one: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    return this.#bounded(this.#slots, endpoint, one, signal, async (exchangeSignal, free) => {
      try {
        const response = await this.#request(endpoint, one, exchangeSignal);
        return toHttpResponse(response, one.url, await readBody(response, one));
      } finally {
        free();
      }
    });
  }

  /**
   * Sends one request and hands a success over with the first byte: the caller reads `content` to its end, or breaks it off. Otherwise as `send`.
   */
  async open(endpoint: Endpoint, one: HttpRequest, signal: AbortSignal): Promise<OpenResponse> {
    return this.#bounded(this.#openSlots, endpoint, one, signal, async (exchangeSignal, free) => {
      let isHandedOver = false;
      try {
        const startedAt = performance.now();
        const response = await this.#request(endpoint, one, exchangeSignal);
        const headersMs = performance.now() - startedAt;
        const { body } = response;
        // A body that is destroyed tells so by an error; whoever reads it hears it from its iteration.
        body.on('error', () => undefined);
        if (response.statusCode >= 300) {
          const answer = toHttpResponse(response, one.url, await readBody(response, one));
          return { ...answer, content: undefined, headersMs, breakOff: () => undefined };
        }
        isHandedOver = true;
        body.once('close', free);
        const toFailure = (error: unknown) => toNetworkFailure(error, one.url, endpoint);
        return {
          ...toHttpResponse(response, one.url, Buffer.alloc(0)),
          content: toContent(body as AsyncIterable<Buffer>, signal, toFailure),
          headersMs,
          breakOff: () => void body.destroy(),
        };
      } finally {
        if (!isHandedOver) free();
      }
    });
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  /** Waits for a free slot, which the exchange frees, and ends the exchange that takes too long. */
  async #bounded<Response extends HttpResponse>(
    slots: Slots,
    endpoint: Endpoint,
    { url, operation = 'api' }: HttpRequest,
    signal: AbortSignal,
    exchange: (signal: AbortSignal, free: () => void) => Promise<Response>,
  ): Promise<Response> {
    signal.throwIfAborted();
    const free = await slots.take(url.host, signal);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#timeouts.totalMs);
    const either = AbortSignal.any([signal, deadline.signal]);
    try {
      // undici hears an abort only once the connection stands: the caller does not wait for that, the slot does.
      const response = await untilAborted(exchange(either, free), either);
      this.#options.onRequest?.(endpoint.host, operation, String(response.status));
      return response;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.onRequest?.(endpoint.host, operation, 'error');
      if (deadline.signal.aborted) {
        throw new Failure('timeout', `${url.host} did not finish its answer within ${this.#timeouts.totalMs / 1000} s`);
      }
      throw toNetworkFailure(error, url, endpoint);
    } finally {
      clearTimeout(timer);
    }
  }

  async #request(endpoint: Endpoint, one: HttpRequest, signal: AbortSignal): Promise<UndiciResponse> {
    const { method, url, alwaysVerify } = one;
    const headers = { 'user-agent': this.#options.userAgent ?? 'stevedore', ...one.headers };
    const dispatcher = await this.#connections.to(endpoint, alwaysVerify ?? false);
    return request(url, { method, headers, dispatcher, signal });
  }
}

async function readBody(response: UndiciResponse, { url, maxBytes }: HttpRequest): Promise<Buffer> {
  const isError = response.statusCode >= 300;
  const limit = isError ? Math.min(maxBytes, maxErrorBytes) : maxBytes;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) break;
  }
  if (length > limit && !isError) {
    throw new Failure('other', `${url.host} sends more than the ${limit} bytes that are allowed here`);
  }
  return Buffer.concat(chunks);
}

function toHttpResponse({ statusCode, headers }: UndiciResponse, url: URL, body: Buffer): HttpResponse {
  return { status: statusCode, url, body, header: (name) => [headers[name] ?? []].flat() };
}

async function* toContent(
  body: AsyncIterable<Buffer>,
  signal: AbortSignal,
  toFailure: (error: unknown) => Failure,
): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw toFailure(error);
  }
}
