/** A web server on loopback that answers as told and keeps every request: what registries, token services and storage do on the wire. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Objects are sent as JSON. */
  readonly body?: string | Buffer | object;
  /** `hang`: the headers, a part of the body, then nothing; `cut`: the connection breaks there. */
  readonly then?: 'hang' | 'cut';
  /** Without Content-Length. */
  readonly chunked?: boolean;
}

export type Reply = Answer | 'hang' | 'reset';
export type Handler = (request: SeenRequest) => Reply | undefined;

export class StubServer {
  readonly requests: SeenRequest[] = [];
  /** Those whose client closed the connection before the answer was complete. */
  readonly left: SeenRequest[] = [];
  readonly #server: Server;
  readonly #handlers: Handler[] = [];
  readonly #streams = new Map<string, { bytes: Buffer; parts: number; pauseMs: number }>();
  #held = false;
  readonly #waiting: (() => void)[] = [];

  constructor(tls: { key: string; cert: string } | undefined) {
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  static async start(tls?: { key: string; cert: string }): Promise<StubServer> {
    const stub = new StubServer(tls);
    await new Promise<void>((resolve) => stub.#server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** Asked newest first; the first that has an answer gives it. Nobody has: 404. */
  use(handler: Handler): void {
    this.#handlers.unshift(handler);
  }

  on(method: string, path: string, reply: Reply | ((request: SeenRequest) => Reply)): void {
    this.use((request) => {
      if (request.method !== method || request.path.split('?')[0] !== path) return undefined;
      return typeof reply === 'function' ? reply(request) : reply;
    });
  }

  /** Answers with the bytes in so many parts, with a pause before each. */
  stream(path: string, bytes: Buffer, parts: number, pauseMs: number): void {
    this.#streams.set(path, { bytes, parts, pauseMs });
  }

  seen(method: string, pathStart: string): SeenRequest[] {
    return this.requests.filter((one) => one.method === method && one.path.startsWith(pathStart));
  }

  hold(): () => void {
    this.#held = true;
    return () => {
      this.#held = false;
      for (const go of this.#waiting.splice(0)) go();
    };
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      headers: request.headers,
    };
    this.requests.push(seen);
    response.once('close', () => {
      if (!response.writableFinished) this.left.push(seen);
    });
    const answer = () => {
      const stream = this.#streams.get(seen.path);
      if (stream !== undefined) return void send(response, stream);
      for (const handler of this.#handlers) {
        const reply = handler(seen);
        if (reply !== undefined) return write(response, seen, reply);
      }
      return write(response, seen, { status: 404, body: '404 page not found' });
    };
    if (this.#held) this.#waiting.push(answer);
    else answer();
  }
}

async function send(
  response: ServerResponse,
  { bytes, parts, pauseMs }: { bytes: Buffer; parts: number; pauseMs: number },
): Promise<void> {
  response.writeHead(200, { 'content-length': bytes.length }).flushHeaders();
  const size = Math.ceil(bytes.length / parts);
  for (let start = 0; start < bytes.length; start += size) {
    await wait(pauseMs);
    response.write(bytes.subarray(start, start + size));
  }
  response.end();
}

function write(response: ServerResponse, request: SeenRequest, reply: Reply): void {
  if (reply === 'hang') return;
  if (reply === 'reset') {
    response.socket?.destroy();
    return;
  }
  const { status, headers = {}, body = '', then, chunked } = reply;
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = isText ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  if (!isText) response.setHeader('content-type', 'application/json; charset=utf-8');
  if (chunked !== true) response.setHeader('content-length', then === undefined ? bytes.length : bytes.length + 100);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  // Node would add the length of a body that is written at once.
  if (chunked === true) response.flushHeaders();
  if (request.method === 'HEAD') response.end();
  else if (then === undefined) response.end(bytes);
  else response.write(bytes, () => (then === 'cut' ? response.socket?.destroy() : undefined));
}

export function sha256(bytes: string | Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What a server saw, as text: for looking for secrets in it. */
export function everythingSeen(server: StubServer): string {
  return JSON.stringify(server.requests);
}
