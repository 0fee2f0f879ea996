/**
 * The port to a node's container runtime. Three adapters implement it (docker, cri, containerd) and one fake; the
 * contract suite in test/contract runs on all of them.
 *
 * Rules for every method: it takes an AbortSignal and stops soon after it fires, throwing `signal.reason`; every other
 * error is a `Failure`. Nobody answering on the socket is `Failure('runtime', …, { detail: 'unavailable' })`. Names in results
 * are normalised (core/image-reference.ts).
 */

import type { Credential } from '../core/credentials.ts';
import type { ImagePart } from '../core/image-parts.ts';
import type { Leftover, LeftoverKind } from '../core/leftovers.ts';
import type { ImageDetails, PresentLayers, RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import type { TraceKind } from '../core/uninstall-round.ts';

export type { ImagePart } from '../core/image-parts.ts';
export type { Leftover, LeftoverKind } from '../core/leftovers.ts';
export type {
  ContainerState,
  ImageDetails,
  ImageFilesystem,
  PresentLayers,
  RuntimeContainer,
  RuntimeImage,
} from '../core/node-images.ts';
export type { TraceKind } from '../core/uninstall-round.ts';

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
  /**
   * `listImageParts` gives what each part takes on disk, and a removal says which parts are gone; without, parts are estimates and the
   * filesystem has to be measured around a removal. `sizeBytes` of an image is nominal everywhere.
   */
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
  /** False: what a pull that fails or is aborted has fetched is not kept for a next one. Default true; counts where `resume` is declared. */
  readonly keepsPartial?: boolean;
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

export type Removal =
  /** `freed`: the parts that are proven gone; undefined without `exactSizes`. */
  | { readonly kind: 'removed'; readonly freed: readonly ImagePart[] | undefined }
  | { readonly kind: 'absent' }
  /** The runtime refused, or a container appeared meanwhile and the image was put back with all its names. */
  | { readonly kind: 'in_use' };

/** A removal that was begun: written down before it, so that one that a kill cut off can be undone. */
export interface BegunRemoval {
  readonly imageId: string;
  /** Every name that the image had. */
  readonly names: readonly string[];
}

/** The credentials that may open an image, in the order in which they are to be tried; none: only without. */
export type CredentialLookup = (reference: string) => readonly Credential[] | Promise<readonly Credential[]>;

/** Only a hint to look again: no event is ever the only carrier of a fact. */
export type RuntimeEvent =
  | {
      readonly kind: 'container';
      readonly action: 'create' | 'start' | 'exit' | 'delete';
      readonly containerId: string;
      /** What it was made from, normalised, where the event says it: an image id or a name. */
      readonly image: string | undefined;
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
   * What each image is made of on disk, by image id; images that share a part share its key. Sizes of committed layers are asked once
   * and kept.
   */
  listImageParts(signal: AbortSignal): Promise<ReadonlyMap<string, readonly ImagePart[]>>;

  /** What the configs of these images say; an id that cannot be read is missing in the answer. Asked once for each id. */
  readImageDetails(imageIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, ImageDetails>>;

  /** Ids of present images that the runtime itself needs: the sandbox (pause) image. */
  findInfrastructureImages(signal: AbortSignal): Promise<ReadonlySet<string>>;

  /**
   * Removes an image with all its names, or none of them, and returns when its bytes are back. The caller has looked right before that
   * nothing uses it; a container that appears meanwhile makes the runtime refuse (Docker) or the adapter undo the removal
   * (containerd). On a plain CRI runtime a container that appears in the moment of the removal is not noticed. An abort is heeded
   * until the first name is gone, on containerd until the layers go: the names are put back then.
   *
   * Docker deletes an image although a container is just being made from it. The adapter notices and pulls the image again, which fetches no
   * layer and needs `credentialsFor`; without, only what can be pulled without a credential comes back.
   * @throws Failure of that pull when it did not work: the container then stands on an image that has no record any more
   */
  removeImage(imageId: string, signal: AbortSignal, credentialsFor?: CredentialLookup): Promise<Removal>;

  /**
   * Puts back what removals that a kill cut off have taken, as far as the image can still be had: what the runtime itself remembers of such
   * a removal, and `begun` where the caller does. @returns the ids of images that got names back
   */
  undoRemovals(
    begun: BegunRemoval | undefined,
    signal: AbortSignal,
    credentialsFor?: CredentialLookup,
  ): Promise<readonly string[]>;

  /**
   * For good: takes back what the agent left in the runtime of this kind. Removals that were cut off are undone before (`undoRemovals`): what
   * only a journal or a guard holds goes with it. What others have left or changed meanwhile stays. @returns how many there were; a kind that the
   * runtime does not know has none. @throws the first Failure, once all were tried
   */
  removeTraces(kind: TraceKind, signal: AbortSignal): Promise<number>;

  /**
   * What else takes disk, of these kinds; a kind that the runtime does not have gives nothing. Nothing that the kubelet owns is ever in the
   * answer. May take long on Docker (`build_cache` walks the disk).
   */
  listLeftovers(kinds: ReadonlySet<LeftoverKind>, signal: AbortSignal): Promise<readonly Leftover[]>;

  /** Removes one, after a look that it is still unused. `namespace` is never removed: `in_use`. */
  removeLeftover(leftover: Leftover, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'>;

  /**
   * Pins or unpins a tag or digest name against the kubelet's collection, and marks the pin as ours. A pin of somebody else on the same
   * name is left alone, whichever is asked for. @throws Failure `runtime` where `pin` is not declared; `not_found`
   */
  setPinned(name: string, pinned: boolean, signal: AbortSignal): Promise<void>;

  /** Adds a second name to the image that `source` names. @throws Failure `runtime` where `alias` is not declared. */
  addName(source: string, target: string, signal: AbortSignal): Promise<void>;

  /** Yields events from now on until the signal fires (then returns) or the stream breaks (then throws). */
  watch(signal: AbortSignal): AsyncIterable<RuntimeEvent>;

  close(): void;
}
