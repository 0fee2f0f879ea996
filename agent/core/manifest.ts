export interface ManifestLayer {
  readonly digest: string;
  /** Compressed bytes. */
  readonly sizeBytes: number;
}

/** One platform's image as the registry describes it. */
export interface ManifestSummary {
  /** What the reference resolves to now: the index's digest where it is an index. */
  readonly digest: string;
  /** The chosen platform's manifest; equals `digest` where there is no index. */
  readonly manifestDigest: string;
  /** The config blob's digest: the image id on the node. */
  readonly imageId: string;
  readonly configBytes: number;
  /** From the base up. */
  readonly layers: readonly ManifestLayer[];
  /** Chain id per layer, same order; undefined where the config could not be read. */
  readonly chainIds: readonly string[] | undefined;
}
