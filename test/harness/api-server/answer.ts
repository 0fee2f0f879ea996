/** One answer on its way to the client, HTTP/1.1 or HTTP/2, as slow as the faults say. */

import type { ApiServerFaults } from './faults.ts';

/** What both kinds of response of Node have. */
export interface AnyResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  /** HTTP/2 sends headers at once. */
  flushHeaders?(): void;
  write(chunk: Buffer): unknown;
  end(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** How often a slowed answer moves on. */
const pieceMs = 50;

export class Answer {
  readonly #response: AnyResponse;
  readonly #faults: ApiServerFaults;
  readonly #queue: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #ending = false;
  #closed = false;

  constructor(response: AnyResponse, faults: ApiServerFaults) {
    this.#response = response;
    this.#faults = faults;
    this.onClose(() => {
      this.#closed = true;
      clearTimeout(this.#timer);
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ended by us, by the client or by a broken connection. */
  onClose(listener: () => void): void {
    this.#response.once('close', listener);
  }

  begin(status: number, headers: Record<string, string>): void {
    if (this.#closed) return;
    this.#response.writeHead(status, headers);
    this.#response.flushHeaders?.();
  }

  write(text: string): void {
    if (this.#closed || this.#ending) return;
    const bytes = Buffer.from(text);
    if (this.#faults.bytesPerSecond === undefined && this.#queue.length === 0) this.#response.write(bytes);
    else this.#enqueue(bytes);
  }

  end(): void {
    this.#ending = true;
    if (!this.#closed && this.#queue.length === 0) this.#response.end();
  }

  #enqueue(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#timer ??= setTimeout(() => this.#writePiece(), pieceMs);
  }

  #writePiece(): void {
    this.#timer = undefined;
    const next = this.#queue.shift();
    if (next === undefined || this.#closed) return;
    const { bytesPerSecond = next.length * 1_000 } = this.#faults;
    const size = Math.max(1, Math.round((bytesPerSecond * pieceMs) / 1_000));
    this.#response.write(next.subarray(0, size));
    if (size < next.length) this.#queue.unshift(next.subarray(size));
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#writePiece(), pieceMs);
    else if (this.#ending) this.#response.end();
  }
}
