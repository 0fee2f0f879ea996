/** The proxy before the test registry: counts, delays, slows down, breaks. Faults are read anew for every request and chunk. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { type Login, makeTokenGate } from './token-gate.ts';

export interface RegistryRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  /** 0 until it is answered. */
  status: number;
  /** Body bytes handed to the connection so far. */
  bytes: number;
  readonly range: string | undefined;
  /** Whether it carried an Authorization header. */
  readonly authorization: boolean;
  readonly userAgent: string | undefined;
  /** `performance.now()` when it arrived. */
  readonly at: number;
  /** When the answer was complete or the connection broke; undefined while it is open. */
  endedAt: number | undefined;
  /** The whole answer was handed over. */
  complete: boolean;
}

export interface RegistryFaults {
  /** Before every answer. */
  delayMs?: number | undefined;
  /** All blobs together, as a slow link would. */
  bytesPerSecond?: number | undefined;
  /** Every blob answer breaks its connection after this many bytes. */
  cutBlobAfterBytes?: number | undefined;
  /** Every blob answer stops after this many bytes, and the connection stays open. */
  hangBlobAfterBytes?: number | undefined;
  /** Answered instead of the registry. */
  status?: ((method: string, path: string) => number | undefined) | undefined;
  /** Requests are taken and never answered. */
  hang?: boolean | undefined;
}

export interface ProxyOptions {
  readonly backendPort: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Ask for bearer tokens, which this login gets. */
  readonly tokenLogin: Login | undefined;
}

export interface Proxy {
  readonly port: number;
  readonly requests: RegistryRequest[];
  readonly faults: RegistryFaults;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const chunkBytes = 64 * 1024;
const lateMs = 20;

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const requests: RegistryRequest[] = [];
  const faults: RegistryFaults = {};
  const slowDown = makeThrottle(faults);
  const tokens = options.tokenLogin === undefined ? undefined : makeTokenGate(options.tokenLogin);

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const [path = '', query = ''] = (incoming.url ?? '').split('?');
    const method = incoming.method ?? 'GET';
    const { range, authorization, 'user-agent': userAgent } = incoming.headers;
    const record: RegistryRequest = {
      method,
      path,
      query,
      status: 0,
      bytes: 0,
      range,
      authorization: authorization !== undefined,
      userAgent,
      at: performance.now(),
      endedAt: undefined,
      complete: false,
    };
    requests.push(record);
    const gone = new AbortController();
    outgoing.on('close', () => {
      record.endedAt = performance.now();
      record.complete = outgoing.writableFinished;
      gone.abort();
    });
    const { signal } = gone;

    if (faults.delayMs !== undefined) await wait(faults.delayMs, undefined, { signal });
    if (faults.hang) return;
    const refusal = faults.status?.(method, path);
    const local = refusal === undefined ? tokens?.(incoming) : { status: refusal, headers: {}, body: toError(refusal) };
    if (local !== undefined) {
      record.status = local.status;
      record.bytes = Buffer.byteLength(local.body);
      outgoing.writeHead(local.status, { 'content-type': 'application/json', ...local.headers }).end(local.body);
      return;
    }

    const upstream = openRequest({
      host: '127.0.0.1',
      port: options.backendPort,
      method,
      path: incoming.url,
      signal,
      headers: toBackendHeaders(incoming, tokens !== undefined),
    });
    incoming.pipe(upstream);
    const [reply] = (await once(upstream, 'response', { signal })) as [IncomingMessage];
    record.status = reply.statusCode ?? 0;
    outgoing.writeHead(record.status, reply.headers);
    // What is sent in a moment shows a client that waits for the first byte that the answer has begun.
    outgoing.flushHeaders();
    const isBlob = method === 'GET' && path.includes('/blobs/') && record.status < 300;
    for await (const part of reply as AsyncIterable<Buffer>) {
      for (let start = 0; start < part.length; start += chunkBytes) {
        const chunk = part.subarray(start, start + chunkBytes);
        const sent = await send(chunk, isBlob, record, outgoing, signal);
        if (!sent) return;
      }
    }
    outgoing.end();
  };

  /** @returns false when a fault ended the answer */
  const send = async (
    chunk: Buffer,
    isBlob: boolean,
    record: RegistryRequest,
    outgoing: ServerResponse,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const limit = isBlob
      ? Math.min(faults.cutBlobAfterBytes ?? Infinity, faults.hangBlobAfterBytes ?? Infinity)
      : Infinity;
    const allowed = chunk.subarray(0, Math.max(0, Math.min(chunk.length, limit - record.bytes)));
    if (isBlob) await slowDown(allowed.length, signal);
    record.bytes += allowed.length;
    const drained = outgoing.write(allowed);
    if (allowed.length < chunk.length) {
      if (faults.cutBlobAfterBytes !== undefined) await breakOff(outgoing, signal);
      return false;
    }
    if (!drained) await once(outgoing, 'drain', { signal });
    return true;
  };

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    // A client that leaves aborts everything here, and a backend that is being stopped breaks off: both end this answer only.
    answer(incoming, outgoing).catch(() => outgoing.destroy());
  };
  const server = options.tls === undefined ? createServer(listener) : createTlsServer({ ...options.tls }, listener);
  let port = 0;
  const start = async (): Promise<void> => {
    if (server.listening) return;
    server.listen(port, '127.0.0.1');
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
  return { port, requests, faults, stop, start };
}

/** One link for all: each caller waits until what was allowed before it has passed. */
function makeThrottle(faults: RegistryFaults): (bytes: number, signal: AbortSignal) => Promise<void> {
  let freeAt = 0;
  return async (bytes, signal) => {
    const { bytesPerSecond } = faults;
    if (bytesPerSecond === undefined) return;
    // Timers fire late: what the link could have carried meanwhile is made up for, within bounds.
    freeAt = Math.max(freeAt, performance.now() - lateMs) + (1000 * bytes) / bytesPerSecond;
    const waitMs = freeAt - performance.now();
    if (waitMs > 1) await wait(waitMs, undefined, { signal });
  };
}

/** What was written has left before the connection breaks, so that a cut comes where the test said. */
async function breakOff(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  const { socket } = outgoing;
  while (socket !== null && socket.writableLength > 0) await wait(5, undefined, { signal });
  socket?.destroySoon();
}

function toBackendHeaders({ headers }: IncomingMessage, hasTokens: boolean): IncomingMessage['headers'] {
  const { authorization, ...others } = headers;
  return hasTokens || authorization === undefined ? others : headers;
}

function toError(status: number): string {
  const codes: Record<number, string> = {
    401: 'UNAUTHORIZED',
    403: 'DENIED',
    404: 'NAME_UNKNOWN',
    429: 'TOOMANYREQUESTS',
  };
  return JSON.stringify({ errors: [{ code: codes[status] ?? 'UNKNOWN', message: `fault: ${status}` }] });
}
