/** The listening socket and its connections, below TLS: so that they can be counted, refused, left hanging and reset. */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Connections {
  /** Accepted so far: each is a TLS handshake. */
  total = 0;
  readonly #sockets = new Map<number, { readonly socket: Socket; readonly id: number }>();
  readonly #onSocket: (socket: Socket) => void;
  #listener: Server | undefined;
  #port = 0;

  constructor(onSocket: (socket: Socket) => void) {
    this.#onSocket = onSocket;
  }

  get port(): number {
    return this.#port;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** The first is 1. */
  idOf(remotePort: number | undefined): number {
    return this.#sockets.get(remotePort ?? -1)?.id ?? 0;
  }

  /** The same port each time. */
  async listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer((socket) => this.#accept(socket));
    // A thousand agents may come back at once.
    listener.listen({ port: this.#port, host: '127.0.0.1', backlog: 2_048 });
    await once(listener, 'listening');
    this.#listener = listener;
    this.#port = (listener.address() as AddressInfo).port;
  }

  /** New connections are refused; open ones stay. */
  refuse(): void {
    // Its callback waits for open connections too; the port is free at once.
    this.#listener?.close();
    this.#listener = undefined;
  }

  cut(how: 'reset' | 'close'): void {
    for (const { socket } of this.#sockets.values()) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  resetOne(remotePort: number | undefined): void {
    this.#sockets.get(remotePort ?? -1)?.socket.resetAndDestroy();
  }

  #accept(socket: Socket): void {
    const port = socket.remotePort ?? 0;
    this.total += 1;
    this.#sockets.set(port, { socket, id: this.total });
    socket.once('close', () => this.#sockets.delete(port));
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    this.#onSocket(socket);
  }
}
