/** No look takes longer. */
const rememberMs = 600_000;

/**
 * Names of what has ended of late. A listing shows its images as they were when it was asked for: what went on then and has ended since must
 * still be reckoned with.
 */
export class RecentNames {
  #ended: readonly { readonly names: readonly string[]; readonly at: number }[] = [];

  /** It ends now. */
  add(names: Iterable<string>): void {
    const at = performance.now();
    this.#ended = [...this.#ended.filter((entry) => at - entry.at < rememberMs), { names: [...names], at }];
  }

  /** Of what has ended at that moment of the monotonic clock or later. */
  since(at: number): readonly string[] {
    return this.#ended.filter((entry) => entry.at >= at).flatMap(({ names }) => names);
  }
}
