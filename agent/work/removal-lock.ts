import type { ManifestSummary } from '../core/manifest.ts';
import { RecentNames } from './recent-names.ts';

interface Held {
  readonly imageId: string;
  readonly names: ReadonlySet<string>;
  readonly wanted: AbortController;
}

/**
 * The one lock between removing and pulling. Deciding and taking it happen without a pause in between, and so do looking at it and
 * starting a pull: what is being removed is not pulled, and what is being pulled is not removed.
 */
export class RemovalLock {
  readonly #onFree: () => void;
  #held: Held | undefined;
  readonly #ended = new RecentNames();

  /** @param onFree what waited for the removal may go on */
  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  /** @returns `release`: lets it go again; `wanted` fires when an image set asks for the image meanwhile. */
  take(imageId: string, names: readonly string[]): { readonly release: () => void; readonly wanted: AbortSignal } {
    if (this.#held !== undefined) throw new Error('one removal at a time');
    const wanted = new AbortController();
    this.#held = { imageId, names: new Set(names), wanted };
    const release = (): void => {
      this.#held = undefined;
      this.#ended.add(names);
      this.#onFree();
    };
    return { release, wanted: wanted.signal };
  }

  /** These names are desired from now on: a removal of one of them ends where it still can. */
  keep(desired: ReadonlySet<string>): void {
    if (this.#held !== undefined && !this.#held.names.isDisjointFrom(desired)) this.#held.wanted.abort();
  }

  /**
   * Names whose removal went on at that moment of the monotonic clock or later, whatever became of it: a listing of then cannot tell whether
   * they stay.
   */
  namesSince(at: number): ReadonlySet<string> {
    return new Set([...this.#ended.since(at), ...(this.#held?.names ?? [])]);
  }

  /** Whether a pull must wait for the removal. */
  blocks(reference: string, manifest: ManifestSummary | undefined): boolean {
    if (this.#held === undefined) return false;
    return this.#held.names.has(reference) || this.#held.imageId === manifest?.imageId;
  }
}
