/** Passes connections on to a server that listens on loopback only, for a Harbor on another machine. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Relay {
  readonly port: number;
  stop(): Promise<void>;
}

/** @param ownHost this machine, as others reach it. @returns where it has to listen for that */
export function toListenAddress(ownHost: string | undefined): string {
  return ownHost === undefined || /^(?:127\.|localhost$)/.test(ownHost) ? '127.0.0.1' : '0.0.0.0';
}

export async function startRelay(target: string, address: string): Promise<Relay> {
  const [host = '', port = ''] = target.split(':');
  const open = new Set<Socket>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      keep(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
