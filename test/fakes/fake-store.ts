/** What a fake runtime keeps on its disk: names, images, blobs, unpacked layers, and who holds them against collection. */

import type { PresentLayers, RuntimeImage } from '../../agent/core/node-images.ts';
import { toBlobs } from './fake-image.ts';
import type { FakeBlob, FakeImage } from './fake-image.ts';

export interface StoreRules {
  /** Docker says unpacked bytes and keeps no blobs. */
  readonly sizes: 'compressed' | 'unpacked';
  readonly listsBlobs: boolean;
  readonly listsChainIds: boolean;
  /** Whether a missing part of an image is noticed. */
  readonly seesBroken: boolean;
}

export class FakeStore {
  readonly #rules: StoreRules;
  readonly #images = new Map<string, FakeImage>();
  /** Tag and digest names, to the image id. */
  readonly #names = new Map<string, string>();
  readonly #pinned = new Set<string>();
  /** Bytes here so far of each blob, and how many it has. */
  readonly #received = new Map<string, { readonly bytes: number; readonly sizeBytes: number }>();
  readonly #chainIds = new Set<string>();
  readonly #holders = new Map<string, FakeImage>();

  constructor(rules: StoreRules) {
    this.#rules = rules;
  }

  listImages(): RuntimeImage[] {
    return [...this.#images.values()].map((image) => {
      const names = this.namesOf(image.id);
      return {
        id: image.id,
        tags: names.filter((name) => !name.includes('@')),
        digests: names.filter((name) => name.includes('@')),
        sizeBytes:
          this.#rules.sizes === 'unpacked'
            ? sum(image.layers.map((layer) => layer.unpackedBytes))
            : sum(toBlobs(image).map((blob) => blob.sizeBytes)),
        pinned: names.some((name) => this.#pinned.has(name)),
        whole: !this.#rules.seesBroken || this.#isWhole(image),
      };
    });
  }

  listLayers(): PresentLayers {
    const blobs = [...this.#received]
      .filter(([, { bytes, sizeBytes }]) => bytes >= sizeBytes)
      .map(([digest]) => digest);
    return {
      chainIds: new Set(this.#rules.listsChainIds ? this.#chainIds : []),
      blobs: new Set(this.#rules.listsBlobs ? blobs : []),
    };
  }

  find(name: string): FakeImage | undefined {
    const id = this.#names.get(name);
    return id === undefined ? undefined : this.#images.get(id);
  }

  has(imageId: string): boolean {
    return this.#images.has(imageId);
  }

  namesOf(imageId: string): string[] {
    return [...this.#names].filter(([, id]) => id === imageId).map(([name]) => name);
  }

  /** Gives the image these names; a name that moves here leaves its old image, and loses its pin. */
  save(image: FakeImage, names: readonly string[]): void {
    this.#images.set(image.id, image);
    for (const name of names) {
      this.#names.set(name, image.id);
      this.#pinned.delete(name);
    }
    this.collect();
  }

  /** Puts all of an image there without a pull, as an import would. */
  unpackAll(image: FakeImage): void {
    for (const blob of toBlobs(image)) this.receive(blob, blob.sizeBytes - this.received(blob));
    for (const chainId of image.chainIds) this.#chainIds.add(chainId);
  }

  /** @returns the names that it had. */
  remove(imageId: string): string[] {
    const names = this.namesOf(imageId);
    for (const name of names) {
      this.#names.delete(name);
      this.#pinned.delete(name);
    }
    this.#images.delete(imageId);
    this.collect();
    return names;
  }

  setPinned(name: string, pinned: boolean): void {
    if (pinned) this.#pinned.add(name);
    else this.#pinned.delete(name);
  }

  /** Loses the config or the top layer, as a bad disk or a half-done collection would. */
  damage(image: FakeImage, part: 'config' | 'layer'): void {
    const top = image.chainIds.at(-1);
    if (part === 'config') this.#received.delete(image.id);
    else if (top !== undefined) this.#chainIds.delete(top);
  }

  received(blob: FakeBlob): number {
    const unpacked = blob.chainId !== undefined && this.#chainIds.has(blob.chainId);
    return unpacked ? blob.sizeBytes : (this.#received.get(blob.digest)?.bytes ?? 0);
  }

  receive(blob: FakeBlob, bytes: number): void {
    this.#received.set(blob.digest, { bytes: this.received(blob) + bytes, sizeBytes: blob.sizeBytes });
  }

  isUnpacked(chainId: string): boolean {
    return this.#chainIds.has(chainId);
  }

  unpack(chainId: string): void {
    this.#chainIds.add(chainId);
  }

  hold(holder: string, image: FakeImage): void {
    this.#holders.set(holder, image);
  }

  letGo(holder: string): void {
    this.#holders.delete(holder);
    this.collect();
  }

  get holders(): string[] {
    return [...this.#holders.keys()];
  }

  /** Drops what no named image and no holder needs. */
  collect(): void {
    for (const id of this.#images.keys()) {
      if (this.namesOf(id).length === 0) this.#images.delete(id);
    }
    const kept = [...this.#images.values(), ...this.#holders.values()];
    const blobs = new Set(kept.flatMap((image) => toBlobs(image).map((blob) => blob.digest)));
    const chainIds = new Set(kept.flatMap((image) => image.chainIds));
    for (const digest of this.#received.keys()) if (!blobs.has(digest)) this.#received.delete(digest);
    for (const chainId of this.#chainIds) if (!chainIds.has(chainId)) this.#chainIds.delete(chainId);
  }

  get partialBlobs(): string[] {
    return [...this.#received].filter(([, { bytes, sizeBytes }]) => bytes < sizeBytes).map(([digest]) => digest);
  }

  /** Bytes of blobs, complete or not: what an aborted pull may have left. */
  get blobBytes(): number {
    return sum([...this.#received.values()].map(({ bytes }) => bytes));
  }

  #isWhole(image: FakeImage): boolean {
    return this.#received.has(image.id) && image.chainIds.every((chainId) => this.#chainIds.has(chainId));
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
