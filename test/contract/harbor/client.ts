/** Plain requests, with no header but those that are given. */

import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';

export interface Asked {
  readonly method: string;
  /** Sent as it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface Reply {
  readonly status: number;
  /** Lower case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const agent = new Agent({ keepAlive: true });
const tlsAgent = new TlsAgent({ keepAlive: true });
const mostMs = 30_000;

/** @returns once the headers are there */
export async function open(url: string, { method, path, headers = {}, body, signal }: Asked): Promise<IncomingMessage> {
  const limit = AbortSignal.timeout(mostMs);
  const { hostname, port, protocol } = new URL(url);
  const ends = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  const options = { host: hostname, port, method, path, headers, signal: ends };
  const isTls = protocol === 'https:';
  const outgoing = isTls ? requestTls({ ...options, agent: tlsAgent }) : request({ ...options, agent });
  outgoing.end(body);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  incoming.on('error', () => undefined);
  return incoming;
}

export async function ask(url: string, asked: Asked): Promise<Reply> {
  const incoming = await open(url, asked);
  const parts: Buffer[] = [];
  try {
    for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  } catch (error) {
    // A registry promises the whole blob with its 416, and breaks off.
    if (incoming.statusCode !== 416) throw error;
  }
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
  return { status: incoming.statusCode ?? 0, headers, body: Buffer.concat(parts) };
}
