import { untilAborted } from '../core/abort.ts';
import type { WarmSettings } from '../core/configuration.ts';
import { Places } from './places.ts';

/** Blobs in work, over all images: the smallest first, so many at once and per minute, and none twice at the same time. */
export class BlobQueue {
  readonly #places: Places;
  readonly #inWork = new Map<string, Promise<unknown>>();

  constructor(settings: () => Pick<WarmSettings, 'maxParallel' | 'maxPerMinute'>) {
    this.#places = new Places(settings);
  }

  /**
   * Runs the work once a place is free, unless the same blob is in work already: then that is waited for, and done again only where it fails.
   * @returns what the work gave; undefined: somebody else's work was waited for
   */
  async run<Result>(
    key: string,
    sizeBytes: number,
    work: () => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result | undefined> {
    for (let others = this.#inWork.get(key); others !== undefined; others = this.#inWork.get(key)) {
      try {
        await untilAborted(others, signal);
        return undefined;
      } catch {
        signal.throwIfAborted();
      }
    }
    const own = this.#places.run(sizeBytes, work, signal);
    this.#inWork.set(key, own);
    try {
      return await own;
    } finally {
      this.#inWork.delete(key);
    }
  }
}
