/**
 * The port to a node's container runtime. Three adapters implement it (docker, cri, containerd) and one fake; the
 * contract suite in test/contract runs on all of them.
 *
 * Rules for every method: it takes an AbortSignal and stops soon after it fires, throwing `signal.reason`; every other
 * error is a `Failure`. Nobody answering on the socket is `Failure('runtime', …, { detail: 'unavailable' })`. Names in results
 * are normalised (core/image-reference.ts).
 */

import type { Credential } from '../core/credentials.ts';
import type { PresentLayers, RuntimeContainer, RuntimeImage } from '../core/node-images.ts';

export type {
  ContainerState,
  ImageFilesystem,
  PresentLayers,
  RuntimeContainer,
  RuntimeImage,
} from '../core/node-images.ts';

export type RuntimeKind = 'docker' | 'containerd' | 'cri';

/** What an adapter can do beyond the methods' minimum; runtime/README.md states the substitute for each one that is missing. */
export interface RuntimeCapabilities {
  /** `watch` delivers events; without, the caller lists every 30 s. */
  readonly events: boolean;
  /** `pull` reports bytes; without, a pull has no stall detection. */
  readonly progress: boolean;
  /** An aborted pull resumes at the byte where it stopped. */
  readonly resume: boolean;
  /** `setPinned` keeps the kubelet's garbage collection away. */
  readonly pin: boolean;
  /** `addName` gives an image that is present a second name. */
  readonly alias: boolean;
  /** The runtime can tell what each layer takes on disk; `sizeBytes` of an image is nominal everywhere. */
  readonly exactSizes: boolean;
}

export interface RuntimeInfo {
  readonly kind: RuntimeKind;
  /** As the runtime calls itself: `docker`, `containerd`, `cri-o`, … */
  readonly name: string;
  readonly version: string;
  readonly imageStore: 'graphdriver' | 'containerd' | 'other';
  /** Storage driver or snapshotter: `overlay2`, `overlayfs`, … */
  readonly snapshotter: string;
  /** A path on the image filesystem as the runtime sees it, where it says so. */
  readonly imageRoot: string | undefined;
  readonly capabilities: RuntimeCapabilities;
}

/** What a registry's manifest said of the image, so that an adapter can tell whose bytes are whose. */
export interface ExpectedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface PullProgress {
  /** Bytes of this image's blobs that are here now, as far as the runtime tells. */
  readonly downloadedBytes: number;
  /** Undefined until the runtime or `expected` says it. */
  readonly totalBytes: number | undefined;
}

export interface PullRequest {
  /** Normalised reference, as `storedName` writes it. */
  readonly reference: string;
  readonly credential: Credential | undefined;
  /** Config and layers, where the registry's manifest could be read. */
  readonly expected: readonly ExpectedBlob[] | undefined;
  /**
   * Called for every sign of progress, also when no byte moved (a layer being unpacked, another pull's download of a shared
   * layer): silence means a stall. At most some ten times a second. Where `resume` is declared the first call comes before
   * anything is fetched, and says what is here already.
   */
  readonly onProgress: (progress: PullProgress) => void;
}

export interface PullResult {
  /** The image id (config digest). */
  readonly imageId: string;
}

/** Only a hint to look again: no event is ever the only carrier of a fact. */
export type RuntimeEvent =
  | {
      readonly kind: 'container';
      readonly action: 'create' | 'start' | 'exit' | 'delete';
      readonly containerId: string;
    }
  | { readonly kind: 'image'; readonly action: 'add' | 'remove'; readonly name: string };

export interface Runtime {
  /** Asks the runtime who it is; also the liveness probe. */
  info(signal: AbortSignal): Promise<RuntimeInfo>;

  listImages(signal: AbortSignal): Promise<readonly RuntimeImage[]>;

  /** All containers in every state that refer to an image, also those that the kubelet does not know. */
  listContainers(signal: AbortSignal): Promise<readonly RuntimeContainer[]>;

  listLayers(signal: AbortSignal): Promise<PresentLayers>;

  /**
   * Pulls one reference and returns when the image is whole. An abort stops the runtime's work too. Where `resume` is declared,
   * what was fetched is kept until the reference is pulled or `discardPartialPulls` lets it go.
   * @throws Failure codes auth not_found rate_limited network tls timeout no_space policy no_platform upstream runtime other
   */
  pull(request: PullRequest, signal: AbortSignal): Promise<PullResult>;

  /** Lets go what aborted pulls left behind, for every reference that is not in `keep`. Without `resume`: nothing to do. */
  discardPartialPulls(keep: ReadonlySet<string>, signal: AbortSignal): Promise<void>;

  /**
   * Removes an image with all its names. `absent` when it is not there; `in_use` when the runtime itself refuses (containerd
   * refuses nothing: the caller has to look first).
   */
  removeImage(imageId: string, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'>;

  /** Marks or unmarks a tag or digest name. @throws Failure `runtime` where `pin` is not declared. */
  setPinned(name: string, pinned: boolean, signal: AbortSignal): Promise<void>;

  /** Adds a second name to the image that `source` names. @throws Failure `runtime` where `alias` is not declared. */
  addName(source: string, target: string, signal: AbortSignal): Promise<void>;

  /** Yields events from now on until the signal fires (then returns) or the stream breaks (then throws). */
  watch(signal: AbortSignal): AsyncIterable<RuntimeEvent>;

  close(): void;
}
