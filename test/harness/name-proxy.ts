/**
 * A forward proxy on loopback (CONNECT only) that leads every name to one port of 127.0.0.1: so a registry can have a name, and daemons treat it as
 * they treat any other. Of 127.0.0.0/8 Docker verifies no certificate.
 */

import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface NameProxy {
  /** `http://127.0.0.1:PORT`, for HTTPS_PROXY. */
  readonly url: string;
  /** `name:port`, oldest first. */
  readonly targets: readonly string[];
  remove(): Promise<void>;
}

/** @param port asked for each connection */
export async function startNameProxy(port: () => number): Promise<NameProxy> {
  const targets: string[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', ({ url = '' }, client) => {
    targets.push(url);
    const target = connect(port(), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => {
        client.destroy();
        target.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    remove: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
