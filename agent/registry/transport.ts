/**
 * HTTP to one registry, its token service and the storage that it redirects to, on undici: TLS with the registry's own authority,
 * proxies from the environment, bounded connections, times and bodies. The body is always read or dropped, so that no connection stays taken.
 */

import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { EnvHttpProxyAgent, request } from 'undici';
import { untilAborted } from '../core/abort.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Endpoint } from './endpoint.ts';
import { toNetworkFailure } from './network-failure.ts';
import { Slots } from './slots.ts';

export type RegistryLog = Pick<Logger, 'debug' | 'warn'>;

export interface Timeouts {
  /** Until the connection and its TLS stand. */
  readonly connectMs: number;
  /** Without a response header, or without a byte of the body. */
  readonly idleMs: number;
  /** One request with its body. */
  readonly totalMs: number;
}

export const defaultTimeouts: Timeouts = { connectMs: 10_000, idleMs: 30_000, totalMs: 120_000 };

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A longer body of a successful answer is a Failure; of an error it is cut. */
  readonly maxBytes: number;
  /** Verify the certificate also where the registry's settings say not to: the host is another one and gets a credential. */
  readonly alwaysVerify?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly url: URL;
  readonly body: Buffer;
  /** All lines of a header, by its lower-case name. */
  header(name: string): readonly string[];
}

/** At once, to one host. */
const maxRequests = 4;
const maxErrorBytes = 64 * 1024;

interface Connections {
  readonly dispatcher: EnvHttpProxyAgent;
  readonly fingerprint: string;
}

export class Transport {
  readonly #timeouts: Timeouts;
  readonly #log: RegistryLog | undefined;
  readonly #slots = new Slots(maxRequests);
  readonly #connections = new Map<string, Connections>();

  constructor(timeouts: Timeouts, log: RegistryLog | undefined) {
    this.#timeouts = timeouts;
    this.#log = log;
  }

  /**
   * Sends one request and reads the answer, whatever its status. Follows no redirect.
   * @throws Failure `network`, `tls`, `timeout`, `other` (a body beyond the limit); an abort throws `signal.reason`.
   */
  async send(endpoint: Endpoint, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { url } = request;
    const free = await this.#slots.take(url.host, signal);
    const deadline = AbortSignal.timeout(this.#timeouts.totalMs);
    const either = AbortSignal.any([signal, deadline]);
    // undici hears an abort only once the connection stands: the caller does not wait for that, the slot does.
    const exchange = this.#exchange(endpoint, request, either).finally(free);
    try {
      return await untilAborted(exchange, either);
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.aborted) {
        throw new Failure('timeout', `${url.host} did not finish its answer within ${this.#timeouts.totalMs / 1000} s`);
      }
      throw toNetworkFailure(error, url, endpoint);
    }
  }

  async close(): Promise<void> {
    const all = [...this.#connections.values()];
    this.#connections.clear();
    await Promise.all(all.map(({ dispatcher }) => dispatcher.destroy()));
  }

  async #exchange(
    endpoint: Endpoint,
    { method, url, headers, maxBytes, alwaysVerify }: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const dispatcher = await this.#dispatcherOf(endpoint, alwaysVerify ?? false);
    const response = await request(url, { method, headers, dispatcher, signal });
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
    return {
      status: response.statusCode,
      url,
      body: Buffer.concat(chunks),
      header: (name) => [response.headers[name] ?? []].flat(),
    };
  }

  /** Connections are kept until the settings or the authority's file change; requests under way finish on the old ones. */
  async #dispatcherOf(endpoint: Endpoint, alwaysVerify: boolean): Promise<EnvHttpProxyAgent> {
    const isVerified = alwaysVerify || !endpoint.insecureSkipVerify;
    const key = `${endpoint.host} ${isVerified}`;
    const { caFile } = endpoint;
    const fingerprint = caFile === undefined ? '' : `${caFile} ${await fingerprintOf(caFile)}`;
    const known = this.#connections.get(key);
    if (known?.fingerprint === fingerprint) return known.dispatcher;

    const authority = caFile === undefined ? undefined : await readAuthority(caFile);
    const existing = this.#connections.get(key);
    if (existing?.fingerprint === fingerprint) return existing.dispatcher;
    if (!isVerified) this.#log?.warn({ registry: endpoint.host }, 'insecureSkipVerify: the registry could be anybody');
    const dispatcher = createDispatcher(isVerified, authority, this.#timeouts);
    this.#connections.set(key, { dispatcher, fingerprint });
    void existing?.dispatcher.close().catch(() => undefined);
    return dispatcher;
  }
}

function createDispatcher(
  rejectUnauthorized: boolean,
  secureContext: SecureContext | undefined,
  timeouts: Timeouts,
): EnvHttpProxyAgent {
  const tls = { rejectUnauthorized, ...(secureContext === undefined ? {} : { secureContext }) };
  return new EnvHttpProxyAgent({
    connections: maxRequests,
    pipelining: 1,
    allowH2: false,
    connectTimeout: timeouts.connectMs,
    headersTimeout: timeouts.idleMs,
    bodyTimeout: timeouts.idleMs,
    connect: { timeout: timeouts.connectMs, ...tls },
    requestTls: tls,
  });
}

async function fingerprintOf(caFile: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(caFile, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    throw new Failure('tls', `the CA file ${caFile} cannot be read`, { detail: 'tls_ca', cause: error });
  }
}

/**
 * The file's authority beside the system's, as containerd and Docker have it. One context for all connections: with a list of
 * authorities Node would parse every one of them again for each connection, some 25 ms and 1.5 MB.
 */
async function readAuthority(caFile: string): Promise<SecureContext> {
  const unusable = (why: string, cause?: unknown) =>
    new Failure('tls', `the CA file ${caFile} ${why}`, { detail: 'tls_ca', cause });
  let text: string;
  try {
    text = await readFile(caFile, 'utf8');
  } catch (error) {
    throw unusable('cannot be read', error);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw unusable('holds no PEM certificate');
  try {
    return createSecureContext({ ca: [...getCACertificates('default'), text] });
  } catch (error) {
    throw unusable('holds a certificate that cannot be read', error);
  }
}
