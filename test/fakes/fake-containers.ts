/** The containers of a fake runtime. Nothing runs in them; they have a state and refer to an image. */

import type { RuntimeContainer, RuntimeEvent } from '../../agent/runtime/runtime.ts';
import { fakeDigest } from './fake-image.ts';

export interface ContainersRules {
  readonly emit: (event: RuntimeEvent) => void;
  /** Docker's events all say what the container was made from, containerd's only that of the creation. */
  readonly imageOnEveryEvent: boolean;
  readonly findImageId: (name: string) => string | undefined;
}

interface FakeContainer extends RuntimeContainer {
  readonly imageName: string;
  /** Where it is not the kubelet's the runtime also takes the image that its name stands for now for its image. */
  readonly byHand: boolean;
}

export class FakeContainers {
  readonly #containers = new Map<string, FakeContainer>();
  readonly #rules: ContainersRules;
  #created = 0;

  constructor(rules: ContainersRules) {
    this.#rules = rules;
  }

  list(): RuntimeContainer[] {
    return [...this.#containers.values()].map(({ byHand, ...container }) => {
      const named = byHand ? this.#rules.findImageId(container.imageName) : undefined;
      const imageIds = new Set([...container.imageIds, ...(named === undefined ? [] : [named])]);
      return { ...container, imageIds: [...imageIds] };
    });
  }

  use(imageId: string): boolean {
    return this.list().some((container) => container.imageIds.includes(imageId));
  }

  create(imageId: string, imageName: string, byHand: boolean): string {
    this.#created += 1;
    const id = fakeDigest(`container ${this.#created}`).slice('sha256:'.length);
    const container: FakeContainer = {
      id,
      state: 'created',
      imageIds: [imageId],
      imageName,
      createdAt: Date.now(),
      startedAt: undefined,
      finishedAt: undefined,
      byHand,
    };
    this.#containers.set(id, container);
    this.#emit('create', container);
    return id;
  }

  start(id: string): void {
    const container = { ...this.#get(id), state: 'running', startedAt: Date.now(), finishedAt: undefined } as const;
    this.#containers.set(id, container);
    this.#emit('start', container);
  }

  exit(id: string): void {
    const container = { ...this.#get(id), state: 'exited', finishedAt: Date.now() } as const;
    this.#containers.set(id, container);
    this.#emit('exit', container);
  }

  delete(id: string): void {
    const container = this.#get(id);
    this.#containers.delete(id);
    this.#emit('delete', container);
  }

  #get(id: string): FakeContainer {
    const container = this.#containers.get(id);
    if (container === undefined) throw new Error(`the fake has no container ${id}`);
    return container;
  }

  #emit(action: 'create' | 'start' | 'exit' | 'delete', { id, imageName }: FakeContainer): void {
    const image = action === 'create' || this.#rules.imageOnEveryEvent ? imageName : undefined;
    this.#rules.emit({ kind: 'container', action, containerId: id, image });
  }
}
