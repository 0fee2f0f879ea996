/**
 * The port to image registries: what the planner wants to know before a pull. `oci-registry.ts` implements it on undici.
 * Errors are `Failure`s; an abort throws `signal.reason`. Credentials are tried in order until one is accepted.
 */

import type { Credential } from '../core/credentials.ts';
import type { ImageReference } from '../core/image-reference.ts';
import type { ManifestSummary } from '../core/manifest.ts';

export type { ManifestLayer, ManifestSummary } from '../core/manifest.ts';

export interface Registry {
  /** HEAD on the tag, GET where the registry gives no digest. The digest is the index's where it is an index. */
  resolveDigest(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<string>;

  /** Reads the manifest (through an index: the best platform match) and its config, for sizes and chain ids. */
  readManifest(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<ManifestSummary>;

  close(): Promise<void>;
}
