/** Images like those of the recordings: tiny, with OCI or Docker media types, for two platforms. */

import { toDigest, buildLayer } from '../../harness/images.ts';

export type Kind = 'oci' | 'docker';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface SampleImage {
  readonly manifest: Buffer;
  readonly mediaType: string;
  readonly digest: string;
  readonly platform: Platform;
  readonly configDigest: string;
  readonly layerDigest: string;
  readonly layerBytes: number;
  /** Config and layer, by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

export interface SampleIndex {
  readonly manifest: Buffer;
  readonly mediaType: string;
  readonly digest: string;
  readonly images: readonly SampleImage[];
}

const types = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const;

export const amd64: Platform = { os: 'linux', architecture: 'amd64' };
/** Most of the recorded images name no variant. */
export const arm64v8: Platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };

export function makeImage(kind: Kind, seed: string, platform = amd64, sizeBytes = 20): SampleImage {
  const layer = buildLayer({ seed, sizeBytes });
  const { os, architecture } = platform;
  const config = toJson({
    created: '2026-01-02T03:04:05Z',
    architecture,
    os,
    author: '',
    config: { Cmd: ['/data'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
  });
  const configDigest = toDigest(config);
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: types[kind].manifest,
    config: { mediaType: types[kind].config, digest: configDigest, size: config.length },
    layers: [{ mediaType: types[kind].layer, digest: layer.digest, size: layer.blob.length }],
  });
  return {
    manifest,
    mediaType: types[kind].manifest,
    digest: toDigest(manifest),
    platform,
    configDigest,
    layerDigest: layer.digest,
    layerBytes: layer.blob.length,
    blobs: new Map([
      [configDigest, config],
      [layer.digest, layer.blob],
    ]),
  };
}

export function makeIndex(kind: Kind, images: readonly SampleImage[]): SampleIndex {
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: types[kind].index,
    manifests: images.map(({ mediaType, digest, manifest: { length }, platform }) => ({
      mediaType,
      digest,
      size: length,
      platform,
    })),
  });
  return { manifest, mediaType: types[kind].index, digest: toDigest(manifest), images };
}

/** For both platforms. */
export function makeBoth(
  kind: Kind,
  seed: string,
  second: Platform = { os: 'linux', architecture: 'arm64' },
): SampleIndex {
  return makeIndex(kind, [makeImage(kind, `${seed}-amd64`), makeImage(kind, `${seed}-arm64`, second)]);
}

/** As `cosign sign` pushes it: an image with the payload as its layer. */
export function makeSignature(seed: string): SampleImage {
  const payload = toJson({ critical: { type: 'cosign container image signature' }, optional: { seed } });
  const config = toJson({});
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: types.oci.manifest,
    config: { mediaType: types.oci.config, digest: toDigest(config), size: config.length },
    layers: [
      {
        mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
        digest: toDigest(payload),
        size: payload.length,
        annotations: { 'dev.cosignproject.cosign/signature': 'MEUCIQ==' },
      },
    ],
  });
  return {
    manifest,
    mediaType: types.oci.manifest,
    digest: toDigest(manifest),
    platform: amd64,
    configDigest: toDigest(config),
    layerDigest: toDigest(payload),
    layerBytes: payload.length,
    blobs: new Map([
      [toDigest(config), config],
      [toDigest(payload), payload],
    ]),
  };
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
