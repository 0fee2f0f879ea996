/** What a fake runtime keeps on its disk: names, images, blobs, unpacked layers, and who holds them against collection. */

import type { ImagePart } from '../../agent/core/image-parts.ts';
import type { PresentLayers, RuntimeImage } from '../../agent/core/node-images.ts';
import { toBlobs } from './fake-image.ts';
import type { FakeBlob, FakeImage } from './fake-image.ts';
import { FakeNames } from './fake-names.ts';
import { toNominalBytes, toParts, unpackedPart } from './fake-parts.ts';
import type { PartRules } from './fake-parts.ts';

export interface StoreRules extends PartRules {
  readonly listsBlobs: boolean;
  readonly listsChainIds: boolean;
  /** Whether a missing part of an image is noticed. */
  readonly seesBroken: boolean;
  /** Whether it says whose pin a name carries; without, every pin is somebody else's. */
  readonly knowsPins: boolean;
}

interface Received {
  readonly bytes: number;
  readonly sizeBytes: number;
  readonly chainId: string | undefined;
}

export class FakeStore {
  readonly names = new FakeNames();
  readonly #rules: StoreRules;
  readonly #images = new Map<string, FakeImage>();
  /** Bytes here so far of each blob, and how many it has. */
  readonly #received = new Map<string, Received>();
  readonly #chainIds = new Set<string>();
  readonly #holders = new Map<string, FakeImage>();

  constructor(rules: StoreRules) {
    this.#rules = rules;
  }

  listImages(): RuntimeImage[] {
    return this.images.map((image) => {
      const named = this.names.of(image.id);
      const names = named.map(({ name }) => name);
      const pinned = named.filter(({ pin }) => pin !== undefined);
      const ours = this.#rules.knowsPins ? pinned.filter(({ pin }) => pin === 'us') : [];
      return {
        id: image.id,
        tags: names.filter((name) => !name.includes('@')),
        digests: names.filter((name) => name.includes('@')),
        sizeBytes: toNominalBytes(image, this.#rules),
        pinnedNames: ours.map(({ name }) => name),
        pinnedByOthers: pinned.length > ours.length,
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

  /** What of the image is on disk, as the runtime tells it. */
  partsOf(image: FakeImage): ImagePart[] {
    return toParts(image, this.#rules, (key) => this.#received.has(key) || this.#chainIds.has(key));
  }

  find(name: string): FakeImage | undefined {
    const id = this.names.find(name);
    return id === undefined ? undefined : this.#images.get(id);
  }

  get(imageId: string): FakeImage | undefined {
    return this.#images.get(imageId);
  }

  get images(): FakeImage[] {
    return [...this.#images.values()];
  }

  /** Gives the image these names. */
  save(image: FakeImage, names: readonly string[]): void {
    this.#images.set(image.id, image);
    for (const name of names) this.names.give(name, image.id);
    this.collect();
  }

  /** Knows an image again whose names were taken and are put back; what it is made of was held meanwhile. */
  readmit(image: FakeImage): void {
    this.#images.set(image.id, image);
  }

  /** Puts all of an image there without a pull, as an import would. */
  unpackAll(image: FakeImage): void {
    for (const blob of toBlobs(image)) this.receive(blob, blob.sizeBytes - this.received(blob));
    for (const chainId of image.chainIds) this.#chainIds.add(chainId);
  }

  /** @returns the names that it had. */
  remove(imageId: string): string[] {
    const names = this.names.of(imageId).map(({ name }) => name);
    for (const name of names) this.names.take(name);
    this.collect();
    return names;
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
    const { sizeBytes, chainId } = blob;
    this.#received.set(blob.digest, { bytes: this.received(blob) + bytes, sizeBytes, chainId });
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
      if (this.names.of(id).length === 0) this.#images.delete(id);
    }
    const kept = this.#kept();
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
    return this.#blobs().reduce((total, { bytes }) => total + bytes, 0);
  }

  /** What all of it takes on disk, also what the runtime does not tell. */
  diskUsage(): { readonly bytes: number; readonly files: number } {
    const unpacked = new Map(
      this.#kept().flatMap((image) =>
        image.layers.map((layer, index) => [image.chainIds[index] ?? '', unpackedPart(layer, this.#rules)] as const),
      ),
    );
    const layers = [...unpacked].filter(([chainId]) => this.#chainIds.has(chainId)).map(([, part]) => part);
    return {
      bytes: this.blobBytes + layers.reduce((sum, { bytes }) => sum + bytes, 0),
      files: this.#blobs().length + layers.reduce((sum, { inodes }) => sum + inodes, 0),
    };
  }

  /** Docker throws a blob away when its layer is unpacked. */
  #blobs(): Received[] {
    const drops = !this.#rules.listsBlobs && this.#rules.sizes === 'unpacked';
    return [...this.#received.values()].filter(({ chainId }) => !drops || !this.#chainIds.has(chainId ?? ''));
  }

  #kept(): FakeImage[] {
    return [...this.images, ...this.#holders.values()];
  }

  #isWhole(image: FakeImage): boolean {
    return this.#received.has(image.id) && image.chainIds.every((chainId) => this.#chainIds.has(chainId));
  }
}
