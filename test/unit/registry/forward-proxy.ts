/** A forward proxy on loopback, by CONNECT or by whole addresses, that notes where it was sent. */

import { createServer, request as openRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { onTestFinished } from 'vitest';

export async function startForwardProxy(): Promise<{ readonly url: string; readonly targets: string[] }> {
  const targets: string[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '');
    targets.push(url.host);
    const { method, headers } = incoming;
    const onward = openRequest(url, { method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, client) => {
    targets.push(incoming.url ?? '');
    const [host, port] = (incoming.url ?? '').split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, targets };
}
