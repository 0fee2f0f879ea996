import type { FastClock } from './fast-time.ts';

/**
 * A registry as the swarm sees it: a link of limited bandwidth, which those who pull share in equal parts, and which no node can
 * use above its own. Nothing is transferred; it counts who pulls, and says when they are done.
 */

export interface LinkSettings {
  readonly registryBytesPerSecond: number;
  readonly nodeBytesPerSecond: number;
}

export interface Transfer {
  readonly node: string;
  /** On the link's clock, ms. */
  readonly startedAt: number;
  /** Undefined: not done, or broken off. */
  doneAt: number | undefined;
}

interface Running {
  readonly transfer: Transfer;
  readonly onDone: () => void;
  missingBytes: number;
}

export class RegistryLink {
  /** All that ever began, in order. */
  readonly transfers: Transfer[] = [];
  /** The most at one time. */
  peak = 0;
  readonly #settings: LinkSettings;
  readonly #clock: FastClock;
  readonly #running = new Map<string, Running>();
  #lookedAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: LinkSettings, clock: FastClock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#lookedAt = clock.now;
  }

  get current(): number {
    return this.#running.size;
  }

  /** @param bytes Infinity: it never ends by itself */
  begin(node: string, bytes: number, onDone: () => void): void {
    this.#advance();
    const transfer: Transfer = { node, startedAt: this.#lookedAt, doneAt: undefined };
    this.transfers.push(transfer);
    this.#running.set(node, { transfer, onDone, missingBytes: bytes });
    this.peak = Math.max(this.peak, this.#running.size);
    this.plan();
  }

  leave(node: string): void {
    this.#advance();
    this.#running.delete(node);
    this.plan();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#running.clear();
  }

  get #bytesPerMs(): number {
    const { registryBytesPerSecond, nodeBytesPerSecond } = this.#settings;
    return Math.min(nodeBytesPerSecond, registryBytesPerSecond / Math.max(1, this.#running.size)) / 1000;
  }

  #advance(): void {
    const { now } = this.#clock;
    const bytes = (now - this.#lookedAt) * this.#bytesPerMs;
    for (const running of this.#running.values()) running.missingBytes -= bytes;
    this.#lookedAt = now;
  }

  /** After every change, of the clock's speed too: plans the next moment at which somebody is done. */
  plan(): void {
    clearTimeout(this.#timer);
    this.#advance();
    const least = [...this.#running.values()].reduce((least, one) => Math.min(least, one.missingBytes), Infinity);
    if (least === Infinity) return;
    this.#timer = setTimeout(() => this.#finish(), Math.max(0, least / this.#bytesPerMs / this.#clock.factor));
  }

  #finish(): void {
    this.#advance();
    for (const [node, { transfer, onDone, missingBytes }] of this.#running) {
      // Less than a byte: a timer is a little early at times.
      if (missingBytes > 1) continue;
      this.#running.delete(node);
      transfer.doneAt = this.#lookedAt;
      onDone();
    }
    this.plan();
  }
}
