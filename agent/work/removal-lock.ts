import type { ManifestSummary } from '../core/manifest.ts';

/**
 * The one lock between removing and pulling. Deciding and taking it happen without a pause in between, and so do looking at it and
 * starting a pull: what is being removed is not pulled, and what is being pulled is not removed.
 */
export class RemovalLock {
  readonly #onFree: () => void;
  #held: { readonly imageId: string; readonly names: ReadonlySet<string> } | undefined;

  /** @param onFree what waited for the removal may go on */
  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  /** @returns what lets it go again */
  take(imageId: string, names: readonly string[]): () => void {
    if (this.#held !== undefined) throw new Error('one removal at a time');
    this.#held = { imageId, names: new Set(names) };
    return () => {
      this.#held = undefined;
      this.#onFree();
    };
  }

  /** Whether a pull must wait for the removal. */
  blocks(reference: string, manifest: ManifestSummary | undefined): boolean {
    if (this.#held === undefined) return false;
    return this.#held.names.has(reference) || this.#held.imageId === manifest?.imageId;
  }
}
