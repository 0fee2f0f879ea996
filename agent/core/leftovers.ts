/** What else of a runtime takes disk, beside images: reported as bytes, and removed only by option. */

export const dockerLeftoverKinds = ['stopped_container', 'build_cache', 'network', 'volume'] as const;
export const containerdLeftoverKinds = ['ingest', 'snapshot', 'lease', 'namespace'] as const;
export const leftoverKinds = [...dockerLeftoverKinds, ...containerdLeftoverKinds] as const;
export type LeftoverKind = (typeof leftoverKinds)[number];

export interface Leftover {
  readonly kind: LeftoverKind;
  /** Unique within its kind. */
  readonly id: string;
  /** For people: a container's or network's name, an ingest's reference. */
  readonly name: string;
  /** Bytes on disk; undefined where the runtime does not tell. */
  readonly bytes: number | undefined;
  /** Since when nothing uses it, epoch ms; undefined where the runtime does not tell: it then counts from when we first saw it so. */
  readonly unusedSince: number | undefined;
}
