/** How a fake runtime pulls: resolve, fetch blob by blob, unpack layer by layer; steppable, and with faults. */

import { Failure } from '../../agent/core/failure.ts';
import type { PullRequest } from '../../agent/runtime/runtime.ts';
import { toBlobs } from './fake-image.ts';
import type { FakeBlob, FakeImage } from './fake-image.ts';
import type { FakeRegistryContent } from './fake-registry-content.ts';
import { removalHolder } from './fake-remover.ts';
import type { FakeStore } from './fake-store.ts';
import { pause } from './pulse.ts';
import type { Pulse } from './pulse.ts';

export interface PullerRules {
  readonly platform: string;
  readonly unpackMs: number;
  readonly resumes: boolean;
  readonly reportsProgress: boolean;
  /** What the disk has left. */
  readonly availBytes: () => number;
}

/** A blob comes in this many steps, each a chance to see progress, a hold, a fault or an abort. */
const stepsPerBlob = 8;
const tickMs = 100;

interface Pull {
  readonly request: PullRequest;
  readonly signal: AbortSignal;
  readonly blobs: readonly FakeBlob[];
  /** @throws signal.reason when aborted, and whatever ends the runtime's life. */
  readonly check: () => void;
}

export class FakePuller {
  readonly #store: FakeStore;
  readonly #registry: FakeRegistryContent;
  readonly #pulse: Pulse;
  readonly #rules: PullerRules;
  readonly #running = new Map<number, string>();
  readonly #holds = new Map<string, number>();
  readonly #held = new Set<string>();
  /** Blobs and chain ids that one pull works on while others wait for it. */
  readonly #locks = new Set<string>();
  #pulls = 0;

  constructor(store: FakeStore, registry: FakeRegistryContent, pulse: Pulse, rules: PullerRules) {
    this.#store = store;
    this.#registry = registry;
    this.#pulse = pulse;
    this.#rules = rules;
  }

  /**
   * @param checkAlive throws when the runtime went away since the pull began.
   * @param save gives the image its names, before what the pull held is let go.
   */
  async pull(
    request: PullRequest,
    signal: AbortSignal,
    checkAlive: () => void,
    save: (image: FakeImage) => void,
  ): Promise<FakeImage> {
    const { reference } = request;
    this.#pulls += 1;
    const number = this.#pulls;
    const holder = this.#rules.resumes ? reference : `${reference} ${number}`;
    const check = () => {
      signal.throwIfAborted();
      checkAlive();
    };
    this.#running.set(number, reference);
    let whole = false;
    try {
      await this.#waitForRelease({ request, signal, blobs: [], check });
      const image = this.#registry.resolve(reference, request.credential);
      if (image.platform !== this.#rules.platform) {
        throw new Failure('no_platform', `${reference}: no match for platform ${this.#rules.platform}`);
      }
      this.#store.hold(holder, image);
      const pull: Pull = { request, signal, blobs: toBlobs(image), check };
      if (this.#rules.resumes) this.#report(pull);
      this.#report(pull);
      for (const blob of pull.blobs) await this.#fetch(blob, pull);
      for (const [index, chainId] of image.chainIds.entries()) {
        await this.#unpack(chainId, image.layers[index]?.unpackedBytes ?? 0, pull);
      }
      save(image);
      whole = true;
      return image;
    } finally {
      this.#running.delete(number);
      if (whole || !this.#rules.resumes) this.#store.letGo(holder);
      this.#pulse.fire();
    }
  }

  discard(keep: ReadonlySet<string>): void {
    for (const holder of this.leases) {
      if (!keep.has(holder) && !this.pulling.includes(holder)) this.#store.letGo(holder);
    }
  }

  get pulling(): string[] {
    return [...this.#running.values()];
  }

  get leases(): string[] {
    if (!this.#rules.resumes) return [];
    return this.#store.holders.filter((holder) => !holder.startsWith(removalHolder));
  }

  hold(reference: string, atBytes: number): void {
    this.#holds.set(reference, atBytes);
  }

  release(reference: string): void {
    this.#holds.delete(reference);
    this.#pulse.fire();
  }

  isHeld(reference: string): boolean {
    return this.#held.has(reference);
  }

  async #fetch(blob: FakeBlob, pull: Pull): Promise<void> {
    while (this.#store.received(blob) < blob.sizeBytes) {
      if (this.#locks.has(blob.digest)) await this.#waitForOther(blob, pull);
      else await this.#locked(blob.digest, () => this.#download(blob, pull));
    }
    this.#report(pull);
  }

  async #download(blob: FakeBlob, pull: Pull): Promise<void> {
    const request = { digest: blob.digest, from: this.#store.received(blob), bytes: 0 };
    this.#registry.requests.push(request);
    while (this.#store.received(blob) < blob.sizeBytes) {
      await this.#waitForRelease(pull);
      const missing = blob.sizeBytes - this.#store.received(blob);
      const step = Math.max(1, Math.min(missing, this.#untilHold(pull), Math.ceil(blob.sizeBytes / stepsPerBlob)));
      const { bytesPerSecond } = this.#registry.faults;
      if (bytesPerSecond === undefined) await Promise.resolve();
      else await pause((1000 * step) / bytesPerSecond, pull.signal);
      pull.check();
      this.#registry.checkReachable();
      this.#checkSpace(step, pull);
      this.#store.receive(blob, step);
      request.bytes += step;
      this.#report(pull);
      this.#pulse.fire();
    }
  }

  /** Another pull fetches the blob: its progress is ours too. */
  async #waitForOther(blob: FakeBlob, pull: Pull): Promise<void> {
    const before = this.#store.received(blob);
    await this.#pulse.wait(pull.signal);
    pull.check();
    if (this.#store.received(blob) !== before) this.#report(pull);
  }

  async #unpack(chainId: string, unpackedBytes: number, pull: Pull): Promise<void> {
    await this.#waitForRelease(pull);
    while (!this.#store.isUnpacked(chainId)) {
      if (this.#locks.has(chainId)) {
        await this.#pulse.wait(pull.signal);
        pull.check();
        continue;
      }
      await this.#locked(chainId, async () => {
        for (let spentMs = 0; spentMs < this.#rules.unpackMs; spentMs += tickMs) {
          await pause(Math.min(tickMs, this.#rules.unpackMs - spentMs), pull.signal);
          pull.check();
          this.#report(pull);
          this.#pulse.fire();
        }
        this.#checkSpace(unpackedBytes, pull);
        this.#store.unpack(chainId);
      });
    }
    this.#report(pull);
  }

  #checkSpace(bytes: number, { request }: Pull): void {
    if (this.#rules.availBytes() < bytes)
      throw new Failure('no_space', `${request.reference}: no space left on device`);
  }

  async #locked(key: string, work: () => Promise<void>): Promise<void> {
    this.#locks.add(key);
    try {
      await work();
    } finally {
      this.#locks.delete(key);
      this.#pulse.fire();
    }
  }

  async #waitForRelease(pull: Pull): Promise<void> {
    const { reference } = pull.request;
    pull.check();
    while (this.#untilHold(pull) <= 0) {
      this.#held.add(reference);
      this.#pulse.fire();
      await this.#pulse.wait(pull.signal);
      this.#held.delete(reference);
      pull.check();
    }
  }

  #untilHold(pull: Pull): number {
    const atBytes = this.#holds.get(pull.request.reference);
    return atBytes === undefined ? Number.POSITIVE_INFINITY : atBytes - this.#downloaded(pull);
  }

  #downloaded(pull: Pull): number {
    return pull.blobs.reduce((sum, blob) => sum + this.#store.received(blob), 0);
  }

  #report(pull: Pull): void {
    if (!this.#rules.reportsProgress) return;
    const totalBytes = pull.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0);
    pull.request.onProgress({ downloadedBytes: this.#downloaded(pull), totalBytes });
  }
}
