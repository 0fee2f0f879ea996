/** Sample images built in memory, without network: the same arguments give the same digests. */

import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { type TarEntry, toTar } from './tar.ts';

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

export interface BuiltLayer {
  readonly digest: string;
  readonly diffId: string;
  /** The compressed layer, as it lies in a registry. */
  readonly blob: Buffer;
  /** Of the uncompressed tar. */
  readonly unpackedBytes: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface BuiltImage {
  readonly platform: Platform;
  readonly config: Buffer;
  readonly configDigest: string;
  readonly manifest: Buffer;
  readonly manifestDigest: string;
  readonly layers: readonly BuiltLayer[];
}

export interface BuiltIndex {
  readonly index: Buffer;
  readonly indexDigest: string;
  readonly images: readonly BuiltImage[];
}

export interface LayerOptions {
  /** Other seeds give other bytes and other paths, so that layers do not hide each other's files. */
  readonly seed: string;
  /** Of the files, before compression. */
  readonly sizeBytes: number;
  /** Default 1. */
  readonly files?: number;
  /** Share of the bytes that gzip takes away, 0 to 1; default 0. */
  readonly compressibility?: number;
}

export interface ImageOptions {
  readonly layers: readonly BuiltLayer[];
  /** Default this machine's. */
  readonly platform?: Platform;
  readonly entrypoint?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export function toDigest(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

export function buildLayer({ seed, sizeBytes, files = 1, compressibility = 0 }: LayerOptions): BuiltLayer {
  const folder = `data/${createHash('sha256').update(seed).digest('hex').slice(0, 16)}`;
  const content = randomBytes(seed, sizeBytes);
  thin(content, compressibility);
  const entries: TarEntry[] = [
    { kind: 'folder', path: 'data' },
    { kind: 'folder', path: folder },
  ];
  for (let index = 0; index < files; index += 1) {
    const start = Math.floor((sizeBytes * index) / files);
    const end = Math.floor((sizeBytes * (index + 1)) / files);
    entries.push({ kind: 'file', path: `${folder}/${index}.bin`, content: content.subarray(start, end), mode: 0o644 });
  }
  return toLayer(entries);
}

export function toLayer(entries: readonly TarEntry[]): BuiltLayer {
  const tar = toTar(entries);
  const blob = gzipSync(tar, { level: 1 });
  return { digest: toDigest(blob), diffId: toDigest(tar), blob, unpackedBytes: tar.length };
}

export function buildImage({ layers, platform = ownPlatform(), entrypoint, labels }: ImageOptions): BuiltImage {
  const config = toJson({
    created: '2020-01-01T00:00:00Z',
    ...platform,
    config: {
      Env: ['PATH=/bin'],
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      ...(labels === undefined ? {} : { Labels: labels }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: '2020-01-01T00:00:00Z', created_by: 'stevedore test' })),
  });
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: toDigest(config), size: config.length },
    layers: layers.map(({ digest, blob }) => ({ mediaType: mediaTypes.layer, digest, size: blob.length })),
  });
  return { platform, config, configDigest: toDigest(config), manifest, manifestDigest: toDigest(manifest), layers };
}

export function buildIndex(images: readonly BuiltImage[]): BuiltIndex {
  const index = toJson({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: images.map(({ manifest, manifestDigest, platform }) => ({
      mediaType: mediaTypes.manifest,
      digest: manifestDigest,
      size: manifest.length,
      platform,
    })),
  });
  return { index, indexDigest: toDigest(index), images };
}

/** Debian's static busybox (package busybox-static), so that containers really run. */
export function busyboxLayer(): BuiltLayer {
  const commands = ['cat', 'echo', 'ls', 'sh', 'sleep', 'true'];
  return toLayer([
    { kind: 'folder', path: 'bin' },
    { kind: 'file', path: 'bin/busybox', content: readFileSync('/bin/busybox') },
    ...commands.map((name): TarEntry => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' })),
  ]);
}

/** Sleeps for an hour unless told otherwise. `layers` lie above busybox: they make images differ. */
export function busyboxImage(layers: readonly BuiltLayer[] = []): BuiltImage {
  return buildImage({ layers: [busyboxLayer(), ...layers], entrypoint: ['/bin/sleep', '3600'] });
}

/** One tar that both `ctr image import` (OCI layout) and `docker load` (manifest.json) read. */
export function toArchive(image: BuiltImage, name: string): Buffer {
  const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
  const blobs = new Map([
    [image.configDigest, image.config],
    [image.manifestDigest, image.manifest],
    ...image.layers.map(({ digest, blob }): [string, Buffer] => [digest, blob]),
  ]);
  const index = toJson({
    schemaVersion: 2,
    manifests: [
      {
        mediaType: mediaTypes.manifest,
        digest: image.manifestDigest,
        size: image.manifest.length,
        annotations: { 'io.containerd.image.name': name },
      },
    ],
  });
  const forDocker = toJson([
    {
      Config: blobPath(image.configDigest),
      RepoTags: [name],
      Layers: image.layers.map(({ digest }) => blobPath(digest)),
    },
  ]);
  return toTar([
    { kind: 'file', path: 'oci-layout', content: toJson({ imageLayoutVersion: '1.0.0' }) },
    { kind: 'file', path: 'index.json', content: index },
    { kind: 'file', path: 'manifest.json', content: forDocker },
    { kind: 'folder', path: 'blobs' },
    { kind: 'folder', path: 'blobs/sha256' },
    ...[...blobs].map(([digest, content]): TarEntry => ({ kind: 'file', path: blobPath(digest), content })),
  ]);
}

export function ownPlatform(): Platform {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
}

/** An AES key stream: as random as gzip can tell, repeatable, and gigabytes a second. */
function randomBytes(seed: string, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

/** Zeroes the end of every 4 KiB block. */
function thin(content: Buffer, compressibility: number): void {
  const blockBytes = 4096;
  const kept = Math.round(blockBytes * (1 - compressibility));
  if (kept === blockBytes) return;
  for (let start = 0; start < content.length; start += blockBytes)
    content.subarray(start + kept, start + blockBytes).fill(0);
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
