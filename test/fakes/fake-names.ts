/** Tag and digest names of a fake runtime, which image each stands for, and who pinned it. */

export type PinOwner = 'us' | 'others';

export interface FakeName {
  readonly name: string;
  readonly pin: PinOwner | undefined;
}

export class FakeNames {
  readonly #imageIds = new Map<string, string>();
  readonly #pins = new Map<string, PinOwner>();

  find(name: string): string | undefined {
    return this.#imageIds.get(name);
  }

  of(imageId: string): FakeName[] {
    return [...this.#imageIds]
      .filter(([, id]) => id === imageId)
      .map(([name]) => ({ name, pin: this.#pins.get(name) }));
  }

  /** A name that moves here leaves its old image, and loses its pin, as it does when the same image is pulled again. */
  give(name: string, imageId: string): void {
    this.#imageIds.set(name, imageId);
    this.#pins.delete(name);
  }

  take(name: string): void {
    this.#imageIds.delete(name);
    this.#pins.delete(name);
  }

  pin(name: string, owner: PinOwner): void {
    if (!this.#pins.has(name)) this.#pins.set(name, owner);
  }

  unpin(name: string, owner: PinOwner): void {
    if (this.#pins.get(name) === owner) this.#pins.delete(name);
  }

  /** @returns how many names lost a pin */
  unpinAll(owner: PinOwner): number {
    const pinned = [...this.#pins].filter(([, one]) => one === owner);
    for (const [name] of pinned) this.#pins.delete(name);
    return pinned.length;
  }

  /** Where nothing else has the name meanwhile. @returns whether it was put back */
  putBack({ name, pin }: FakeName, imageId: string): boolean {
    if (this.#imageIds.has(name)) return false;
    this.#imageIds.set(name, imageId);
    if (pin !== undefined) this.#pins.set(name, pin);
    return true;
  }
}
