/** The containers of a fake runtime. Nothing runs in them; they have a state and refer to an image. */

import type { ContainerState, RuntimeContainer, RuntimeEvent } from '../../agent/runtime/runtime.ts';
import { fakeDigest } from './fake-image.ts';

export class FakeContainers {
  readonly #containers = new Map<string, RuntimeContainer>();
  readonly #emit: (event: RuntimeEvent) => void;
  #created = 0;

  constructor(emit: (event: RuntimeEvent) => void) {
    this.#emit = emit;
  }

  list(): RuntimeContainer[] {
    return [...this.#containers.values()];
  }

  use(imageId: string): boolean {
    return this.list().some((container) => container.imageId === imageId);
  }

  create(imageId: string, imageName: string): string {
    this.#created += 1;
    const id = fakeDigest(`container ${this.#created}`).slice('sha256:'.length);
    this.#containers.set(id, { id, state: 'created', imageId, imageName, createdAt: Date.now() });
    this.#emit({ kind: 'container', action: 'create', containerId: id });
    return id;
  }

  start(id: string): void {
    this.#change(id, 'running', 'start');
  }

  exit(id: string): void {
    this.#change(id, 'exited', 'exit');
  }

  delete(id: string): void {
    this.#containers.delete(id);
    this.#emit({ kind: 'container', action: 'delete', containerId: id });
  }

  #change(id: string, state: ContainerState, action: 'start' | 'exit'): void {
    const container = this.#containers.get(id);
    if (container === undefined) throw new Error(`the fake has no container ${id}`);
    this.#containers.set(id, { ...container, state });
    this.#emit({ kind: 'container', action, containerId: id });
  }
}
