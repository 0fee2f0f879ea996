/**
 * How a fake runtime removes an image. containerd: under a lease, looking again for containers, undone where one appeared. Docker: name
 * by name, refused by the daemon where a container is, the tags then put back. Plain CRI: all at once, and no look.
 */

import type { BegunRemoval, Removal, RuntimeKind } from '../../agent/runtime/runtime.ts';
import type { FakeContainers } from './fake-containers.ts';
import type { FakeImage } from './fake-image.ts';
import type { FakeName } from './fake-names.ts';
import type { FakeStore } from './fake-store.ts';

/** A moment inside a removal. */
export interface RemovalStep {
  readonly imageId: string;
  /** Names that are gone; none in the first step, before anything is. */
  readonly gone: readonly string[];
}

export interface RemoverRules {
  readonly kind: RuntimeKind;
  readonly refusesInUse: boolean;
  readonly onAdded: (name: string) => void;
  readonly onRemoved: (name: string, imageId: string) => void;
}

/** What is being removed; on containerd a lease of ours says it. */
interface Lease {
  readonly image: FakeImage;
  readonly names: readonly FakeName[];
}

export const removalHolder = 'remove ';

export class FakeRemover {
  /** Awaited at every step. One that throws ends the removal there as a kill of the agent would: nothing is put back. */
  onStep: (step: RemovalStep) => unknown = () => {};
  readonly #store: FakeStore;
  readonly #containers: FakeContainers;
  readonly #rules: RemoverRules;
  readonly #leases = new Map<string, Lease>();
  readonly #running = new Map<string, Lease>();

  constructor(store: FakeStore, containers: FakeContainers, rules: RemoverRules) {
    this.#store = store;
    this.#containers = containers;
    this.#rules = rules;
  }

  async remove(imageId: string, signal: AbortSignal): Promise<Removal> {
    const image = this.#store.get(imageId);
    if (image === undefined || this.#running.has(imageId)) return { kind: 'absent' };
    if (this.#isHeld(imageId)) return { kind: 'in_use' };
    this.#running.set(imageId, { image, names: this.#store.names.of(imageId) });
    try {
      await this.onStep({ imageId, gone: [] });
      signal.throwIfAborted();
      return await this.#removeNames(image);
    } finally {
      this.#running.delete(imageId);
    }
  }

  /** Leaves the image as a kill in the middle of its removal would, after this many of its names (tags first). */
  cut(image: FakeImage, names: number): void {
    const all = this.#begin(image);
    for (const { name } of all.slice(0, names)) this.#take(name, image.id);
    this.#store.collect();
  }

  undo(begun: BegunRemoval | undefined): string[] {
    switch (this.#rules.kind) {
      case 'containerd':
        return [...this.#leases]
          .filter(([id]) => !this.#running.has(id))
          .filter(([, lease]) => this.#end(lease, lease.names))
          .map(([id]) => id);
      case 'docker': {
        const image = begun === undefined ? undefined : this.#store.get(begun.imageId);
        if (begun === undefined || image === undefined) return [];
        const names = begun.names.map((name) => ({ name, pin: undefined }));
        return this.#putBack(image, names.filter(isTag)) ? [image.id] : [];
      }
      case 'cri':
        return [];
    }
  }

  /** Lets go what removals that were cut off hold, names and all. @returns of how many */
  forget(): number {
    const cut = [...this.#leases].filter(([id]) => !this.#running.has(id));
    for (const [, lease] of cut) this.#end(lease, []);
    this.#store.collect();
    return cut.length;
  }

  /** The image that had this name when its removal began: a container that is being created may have looked it up before. */
  findBeingRemoved(name: string): FakeImage | undefined {
    const stillThere = [...this.#running.values()].filter(({ image }) => this.#store.get(image.id) !== undefined);
    const removals = [...this.#leases.values(), ...stillThere];
    return removals.find(({ names }) => names.some((one) => one.name === name))?.image;
  }

  async #removeNames(image: FakeImage): Promise<Removal> {
    const parts = this.#store.partsOf(image);
    const names = this.#begin(image);
    const gone: FakeName[] = [];
    for (const one of names) {
      // dockerd looks by itself, at every name; the containerd adapter after the last.
      if (this.#rules.kind === 'docker' && this.#isHeld(image.id)) {
        this.#putBack(image, gone.filter(isTag));
        return { kind: 'in_use' };
      }
      this.#take(one.name, image.id);
      gone.push(one);
      if (this.#rules.kind === 'docker') this.#store.collect();
      if (this.#rules.kind !== 'cri') await this.onStep({ imageId: image.id, gone: gone.map(({ name }) => name) });
    }
    const lease = this.#leases.get(image.id);
    if (lease === undefined) {
      this.#store.collect();
      return { kind: 'removed', freed: undefined };
    }
    if (this.#isHeld(image.id)) {
      this.#end(lease, names);
      return { kind: 'in_use' };
    }
    this.#end(lease, []);
    const left = new Set(this.#store.images.flatMap((other) => this.#store.partsOf(other)).map(({ key }) => key));
    const held = new Set(this.#store.partsOf(image).map(({ key }) => key));
    return { kind: 'removed', freed: parts.filter(({ key }) => !left.has(key) && !held.has(key)) };
  }

  /** On containerd a lease remembers what is going; the names then go in this order. */
  #begin(image: FakeImage): FakeName[] {
    const all = this.#store.names.of(image.id);
    const names = [...all.filter(isTag), ...all.filter((one) => !isTag(one))];
    if (this.#rules.kind === 'containerd') {
      this.#leases.set(image.id, { image, names });
      this.#store.hold(`${removalHolder}${image.id}`, image);
    }
    return names;
  }

  /** @returns whether a name was put back */
  #end({ image }: Lease, names: readonly FakeName[]): boolean {
    const restored = this.#putBack(image, names);
    this.#leases.delete(image.id);
    this.#store.letGo(`${removalHolder}${image.id}`);
    return restored;
  }

  #take(name: string, imageId: string): void {
    this.#store.names.take(name);
    this.#rules.onRemoved(name, imageId);
  }

  #putBack(image: FakeImage, names: readonly FakeName[]): boolean {
    const restored = names.filter((one) => this.#store.names.putBack(one, image.id));
    if (restored.length > 0) this.#store.readmit(image);
    for (const { name } of restored) this.#rules.onAdded(name);
    return restored.length > 0;
  }

  #isHeld(imageId: string): boolean {
    return this.#rules.refusesInUse && this.#containers.use(imageId);
  }
}

function isTag({ name }: { readonly name: string }): boolean {
  return !name.includes('@');
}
