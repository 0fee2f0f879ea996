/** What a node holds, as its runtime tells it: images, containers, layers, and the filesystem that they are on. */

export interface RuntimeImage {
  /** The image id: the config digest, `sha256:…`. */
  readonly id: string;
  /** Every tag that names it: `docker.io/library/busybox:1`. */
  readonly tags: readonly string[];
  /** Every digest that names it: `docker.io/library/busybox@sha256:…`. */
  readonly digests: readonly string[];
  /**
   * Bytes as the runtime says them: compressed on CRI and containerd (0 where it does not know the image), unpacked on Docker.
   * Nominal, layers shared with others included.
   */
  readonly sizeBytes: number;
  /** Names that carry our own pin (`setPinned`): only those may be unpinned. */
  readonly pinnedNames: readonly string[];
  /** Pinned by somebody else than us, or, where the runtime does not tell whose pin it is, by anybody. */
  readonly pinnedByOthers: boolean;
  /**
   * False when a part is known to be missing (containerd: config, manifest or snapshot chain): the image counts as
   * absent and is repaired by pulling it again. Always true where the runtime cannot tell.
   */
  readonly whole: boolean;
}

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown';

export interface RuntimeContainer {
  readonly id: string;
  readonly state: ContainerState;
  /**
   * Every image that it may have been made from, by id. Mostly one. Where only a name is recorded (containers that the CRI does not know):
   * what the name stands for now, and every image whose layers the container stands on.
   */
  readonly imageIds: readonly string[];
  /** The name that the container was created from, normalised; undefined where it is no reference. */
  readonly imageName: string | undefined;
  /** Epoch milliseconds. */
  readonly createdAt: number | undefined;
  /** Epoch milliseconds; undefined where it was never started, or nobody knows. */
  readonly startedAt: number | undefined;
  /** Epoch milliseconds; undefined while it runs, or where nobody knows. */
  readonly finishedAt: number | undefined;
}

/** What an image's config says; it never changes for an id. */
export interface ImageDetails {
  /** Build time, epoch ms; undefined where the config has none. No evidence of use. */
  readonly builtAt: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Unpacked layers by chain id and compressed blobs by digest, both `sha256:…`. Docker knows no blobs.
 * Chain ids as the OCI image specification defines them (core/layers.ts).
 */
export interface PresentLayers {
  readonly chainIds: ReadonlySet<string>;
  readonly blobs: ReadonlySet<string>;
}

export interface ImageFilesystem {
  /** The path that was asked. */
  readonly mountpoint: string;
  readonly sizeBytes: number;
  /** Free to an unprivileged user, as `df` shows it. */
  readonly availBytes: number;
  readonly files: number;
  readonly filesFree: number;
}
