/** Reads manifests, indexes and configs of the OCI image specification 1.1 (and Docker's schema 2, which has the same fields). */

import { type Platform, toPlatform, toPlatformCandidates } from '../../core/platform.ts';

export interface ManifestBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

export type ImageDocument =
  | {
      readonly kind: 'index';
      readonly manifests: readonly { readonly digest: string; readonly platform: Platform | undefined }[];
    }
  | { readonly kind: 'manifest'; readonly config: ManifestBlob; readonly layers: readonly ManifestBlob[] }
  | { readonly kind: 'config'; readonly diffIds: readonly string[] };

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toBlob(value: unknown): ManifestBlob | undefined {
  if (!isObject(value) || typeof value['digest'] !== 'string') return undefined;
  return { digest: value['digest'], sizeBytes: typeof value['size'] === 'number' ? value['size'] : 0 };
}

function toBlobs(values: readonly unknown[]): ManifestBlob[] {
  return values.map(toBlob).filter((blob) => blob !== undefined);
}

/** What the bytes are, told by their fields as containerd does it; undefined for anything else. Pure. */
export function parseImageDocument(bytes: Buffer): ImageDocument | undefined {
  // Layers start with gzip's or zstd's magic number; only an object is worth parsing.
  if (!/^\s*\{/.test(bytes.toString('latin1', 0, 64))) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(document)) return undefined;
  if (Array.isArray(document['manifests'])) {
    const manifests = document['manifests'].filter(isObject).map((entry) => ({
      digest: String(entry['digest']),
      platform: toImagePlatform(entry['platform']),
    }));
    return { kind: 'index', manifests };
  }
  const config = toBlob(document['config']);
  if (config !== undefined && Array.isArray(document['layers'])) {
    return { kind: 'manifest', config, layers: toBlobs(document['layers']) };
  }
  const rootfs = document['rootfs'];
  if (isObject(rootfs)) {
    const diffIds = Array.isArray(rootfs['diff_ids']) ? rootfs['diff_ids'] : [];
    return { kind: 'config', diffIds: diffIds.filter((id) => typeof id === 'string') };
  }
  return undefined;
}

function toImagePlatform(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, variant: typeof variant === 'string' ? variant : undefined };
}

/** The manifests of an index that this node may have pulled, likeliest first: the runtime's platform is also ours. */
export function toCandidates(index: ImageDocument & { kind: 'index' }): string[] {
  const node = toPlatform(process.platform, process.arch);
  return toPlatformCandidates(node, index.manifests).map((entry) => entry.digest);
}
