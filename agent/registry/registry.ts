/**
 * The port to image registries: what the planner wants to know before a pull. `oci-registry.ts` implements it on undici.
 * Errors are `Failure`s; an abort throws `signal.reason`. Credentials are tried in order until one is accepted.
 */

import type { Credential } from '../core/credentials.ts';
import type { ImageReference } from '../core/image-reference.ts';

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

export interface Registry {
  /** HEAD on the tag, GET where the registry gives no digest. The digest is the index's where it is an index. */
  resolveDigest(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<string>;

  /** Reads the manifest (through an index: the best platform match) and its config, for sizes and chain ids. */
  readManifest(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<ManifestSummary>;

  close(): Promise<void>;
}
