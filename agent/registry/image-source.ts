/**
 * The port to image registries for the one that resolves and warms for others. The same adapter implements it and `Registry`. References name
 * the repository; where a method needs a tag or digest it says so. Errors as there.
 */

import type { Credential } from '../core/credentials.ts';
import type { Failure } from '../core/failure.ts';
import type { ImageReference } from '../core/image-reference.ts';
import type { ManifestLayer } from '../core/manifest.ts';
import type { Platform } from '../core/platform.ts';

export interface SourcePlatform {
  /** The one that was asked for. */
  readonly platform: Platform;
  /** Of the manifest that such a node would pull. */
  readonly digest: string;
  readonly config: ManifestLayer;
  /** From the base up. */
  readonly layers: readonly ManifestLayer[];
}

export interface SourceImage {
  /** Of the index where there is one; of the bytes where the registry did not say. */
  readonly digest: string;
  readonly isIndex: boolean;
  readonly platforms: readonly SourcePlatform[];
  /** Those that were asked for and that the image does not have. */
  readonly missing: readonly Platform[];
  /** Those whose own manifest Harbor does not give out although it gives out the index: `policy`, in Harbor's words. Undefined: none. */
  readonly refused?: readonly SourceRefusal[];
}

export interface SourceRefusal {
  /** The one that was asked for. */
  readonly platform: Platform;
  /** Of the child, as the index names it. */
  readonly digest: string;
  readonly failure: Failure;
}

/** A cosign signature as the registry holds it: a payload in cosign's simple signing format with its signature, or a Sigstore bundle. */
export type StoredSignature =
  | { readonly kind: 'simple'; readonly payload: Buffer; readonly signature: string }
  | { readonly kind: 'bundle'; readonly bundle: Buffer };

/** Which manifests the platforms of an image have, as far as its index tells. */
export interface SourceChildren {
  /** Of the index where there is one. */
  readonly digest: string;
  readonly isIndex: boolean;
  readonly children: readonly { readonly platform: Platform; readonly digest: string }[];
  /** Those that were asked for and that the image does not have. */
  readonly missing: readonly Platform[];
  /** Those of which only the manifests themselves could tell. */
  readonly unknown: readonly Platform[];
}

export interface ImageSource {
  /**
   * HEAD on the tag or digest; GET only where a refusal has to be put into words or the registry gives no digest.
   * @returns the digest that the registry names
   * @throws Failure `policy` (`policy_blocked`) with Harbor's own message; `not_found`, with `not_found_proxy` where Harbor only fell back
   */
  headManifest(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<{ readonly digest: string }>;

  /**
   * GET of the tag or digest and of the child of each platform. A platform that the image does not have is in `missing`, one whose child is refused
   * (412) in `refused`; an image without an index is what every platform would pull.
   * @throws Failure as `headManifest`, of the index, or of the one manifest where there is no index
   */
  readImage(
    reference: ImageReference,
    platforms: readonly Platform[],
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<SourceImage>;

  /**
   * HEAD of the tag or digest, and GET only of an index: not even the manifest of an image is asked for, after which Harbor 2.15.2 would fetch all the
   * image's blobs into a proxy-cache project. @throws Failure as `headManifest`
   */
  readChildren(
    reference: ImageReference,
    platforms: readonly Platform[],
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<SourceChildren>;

  /** HEAD: true where the registry holds the blob itself (200, or 307 to its storage, which is not followed). */
  hasBlob(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<boolean>;

  /**
   * Opens the blob, waits for the headers and breaks off without reading. A redirect to the registry's storage is not followed: then it is there.
   * @returns how long the headers took, ms
   */
  touchBlob(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<{ readonly headersMs: number }>;

  /**
   * Reads the blob and throws it away; memory stays small. Resumes by range where the connection breaks and the registry can.
   * @param onBytes gets the bytes of each piece as it arrives; what is sent again counts again
   * @throws Failure `upstream` (`digest_mismatch`) where size or bytes are not those that the digest names
   */
  discardBlob(
    reference: ImageReference,
    blob: ManifestLayer,
    credentials: readonly Credential[],
    signal: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<void>;

  /** All tags, page by page. Empty proves nothing: Harbor answers so for what is absent and for an upstream that fails. */
  listTags(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<readonly string[]>;

  /**
   * What cosign left for a manifest, by referrers and by the tag `sha256-….sig`.
   * @param onUnread gets what may be a signature and is not in the answer: `not_found` of what a manifest names, and `not_found_proxy`, which in a
   * proxy-cache project says nothing; in an ordinary one there is none
   */
  readSignatures(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
    onUnread?: (failure: Failure) => void,
  ): Promise<readonly StoredSignature[]>;

  close(): Promise<void>;
}
