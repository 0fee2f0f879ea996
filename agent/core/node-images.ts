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
  readonly pinned: boolean;
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
  /** The image's id where the runtime says it; else undefined. */
  readonly imageId: string | undefined;
  /** The name that the container was created from, normalised; undefined where it is no reference. */
  readonly imageName: string | undefined;
  /** Epoch milliseconds. */
  readonly createdAt: number | undefined;
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
