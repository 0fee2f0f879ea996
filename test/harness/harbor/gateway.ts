/** A gateway in front of Harbor, of either kind: one that tells Harbor when its client has left, and one that reads on. */

import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';

export interface GatewayOptions {
  /** Where Harbor is: `127.0.0.1:PORT`, plain http. */
  readonly target: string;
  /** False: when a client leaves, what it asked for is read to the end and thrown away. */
  readonly passesAborts: boolean;
}

export interface Gateway {
  /** `127.0.0.1:PORT`; Harbor sees it as its own host, so the token's realm is here as well. */
  readonly host: string;
  /** Clients that left before their answer was complete. */
  readonly aborted: number;
  stop(): Promise<void>;
}

export async function startGateway({ target, passesAborts }: GatewayOptions): Promise<Gateway> {
  let aborted = 0;
  const agent = new Agent({ keepAlive: true });
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    outgoing.on('close', () => {
      if (outgoing.writableFinished) return;
      aborted += 1;
      gone.abort();
    });
    const forwarded = request(`http://${target}${incoming.url ?? ''}`, {
      method: incoming.method,
      agent,
      // Names as sent: Harbor sees the client's Host.
      headers: incoming.headers,
      ...(passesAborts ? { signal: gone.signal } : {}),
    });
    incoming.pipe(forwarded);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    answer.on('error', () => outgoing.destroy());
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    if (passesAborts) {
      await pipeline(answer, outgoing);
      return;
    }
    for await (const part of answer as AsyncIterable<Buffer>) {
      if (gone.signal.aborted || outgoing.write(part)) continue;
      await Promise.race([once(outgoing, 'drain'), once(gone.signal, 'abort')]);
    }
    outgoing.end();
  };
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 });
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get aborted() {
      return aborted;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}
