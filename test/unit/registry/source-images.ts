/** Whole images, with the bytes of their blobs, and a server's answers for them: what the image source's tests read. */

import type { Platform } from '../../../agent/core/platform.ts';
import type { SourceImage, StoredSignature } from '../../../agent/registry/image-source.ts';
import { type BuiltImage, type BuiltIndex, buildImage, buildIndex, buildLayer } from '../../harness/images.ts';
import { ociIndex, ociManifest, type Stored, store } from './images.ts';
import type { Handler } from './stub-server.ts';

export interface BuiltSource {
  readonly built: BuiltImage | BuiltIndex;
  /** As the source should describe it for all its platforms. */
  readonly source: SourceImage;
}

export function buildSourceIndex(seed: string, platforms: readonly Platform[]): BuiltSource {
  const images = platforms.map((platform) => build(seed, platform));
  const built = buildIndex(images);
  return {
    built,
    source: { digest: built.indexDigest, isIndex: true, platforms: images.map(toPlatform), missing: [] },
  };
}

export function buildSourceSingle(seed: string): BuiltSource {
  const built = build(seed, { os: 'linux', architecture: 'amd64' });
  return {
    built,
    source: { digest: built.manifestDigest, isIndex: false, platforms: [toPlatform(built)], missing: [] },
  };
}

function build(seed: string, { os, architecture }: Platform): BuiltImage {
  const layers = [
    buildLayer({ seed: 'base', sizeBytes: 10_000 }),
    buildLayer({ seed: `${seed} ${architecture}`, sizeBytes: 5_000 }),
  ];
  return buildImage({ layers, platform: { os, architecture } });
}

function toPlatform({
  platform,
  manifestDigest,
  configDigest,
  config,
  layers,
}: BuiltImage): SourceImage['platforms'][0] {
  return {
    platform,
    digest: manifestDigest,
    config: { digest: configDigest, sizeBytes: config.length },
    layers: layers.map(({ digest, blob }) => ({ digest, sizeBytes: blob.length })),
  };
}

/** As cosign 2 (simple) and cosign 3 (bundle) store it. */
export function toSignatureManifest(subject: string, signature: StoredSignature): { blob: Stored; manifest: Stored } {
  const isSimple = signature.kind === 'simple';
  const blob = isSimple
    ? store('application/vnd.dev.cosign.simplesigning.v1+json', signature.payload.toString())
    : store('application/vnd.dev.sigstore.bundle.v0.3+json', signature.bundle.toString());
  const manifest = store(ociManifest, {
    schemaVersion: 2,
    mediaType: ociManifest,
    ...(isSimple ? {} : { artifactType: blob.mediaType, subject: { mediaType: ociIndex, digest: subject, size: 2 } }),
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: store('', '{}').digest, size: 2 },
    layers: [
      {
        mediaType: blob.mediaType,
        digest: blob.digest,
        size: blob.bytes.length,
        ...(isSimple ? { annotations: { 'dev.cosignproject.cosign/signature': signature.signature } } : {}),
      },
    ],
  });
  return { blob, manifest };
}

/** One repository of a registry that knows referrers. */
export class SourceRepository {
  readonly name: string;
  readonly #manifests = new Map<string, Stored>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #referrers = new Map<string, Stored[]>();

  constructor(name: string) {
    this.name = name;
  }

  push(tag: string | undefined, { built }: BuiltSource): void {
    const images = 'index' in built ? built.images : [built];
    for (const { config, configDigest, manifest, manifestDigest, layers } of images) {
      this.putManifest({ digest: manifestDigest, bytes: manifest, mediaType: ociManifest });
      this.#blobs.set(configDigest, config);
      for (const layer of layers) this.#blobs.set(layer.digest, layer.blob);
    }
    if ('index' in built) this.putManifest({ digest: built.indexDigest, bytes: built.index, mediaType: ociIndex }, tag);
    else this.putManifest({ digest: built.manifestDigest, bytes: built.manifest, mediaType: ociManifest }, tag);
  }

  putManifest(item: Stored, tag?: string): void {
    this.#manifests.set(item.digest, item);
    if (tag !== undefined) this.#manifests.set(tag, item);
  }

  putBlob({ digest, bytes }: Stored): void {
    this.#blobs.set(digest, bytes);
  }

  sign(digest: string, signature: StoredSignature): void {
    const { blob, manifest } = toSignatureManifest(digest, signature);
    this.putBlob(blob);
    if (signature.kind === 'simple') this.putManifest(manifest, `${digest.replace(':', '-')}.sig`);
    else {
      this.putManifest(manifest);
      this.#referrers.set(digest, [...(this.#referrers.get(digest) ?? []), manifest]);
    }
  }

  readonly handler: Handler = ({ path }) => {
    const prefix = `/v2/${this.name}/`;
    if (!path.startsWith(prefix)) return undefined;
    const [kind = '', name = ''] = (path.slice(prefix.length).split('?')[0] ?? '').split('/');
    if (kind === 'tags') {
      const tags = [...this.#manifests.keys()].filter((one) => !one.includes(':') && !one.startsWith('sha256-'));
      return { status: 200, body: { name: this.name, tags } };
    }
    if (kind === 'referrers') {
      const manifests = (this.#referrers.get(name) ?? []).map(({ digest, bytes, mediaType }) => ({
        mediaType,
        digest,
        size: bytes.length,
        artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      }));
      return { status: 200, headers: { 'content-type': ociIndex }, body: { schemaVersion: 2, manifests } };
    }
    if (kind === 'blobs') {
      const bytes = this.#blobs.get(name);
      if (bytes === undefined) return unknown('BLOB_UNKNOWN');
      return { status: 200, headers: { 'docker-content-digest': name }, body: bytes };
    }
    const found = this.#manifests.get(name);
    if (found === undefined) return unknown('MANIFEST_UNKNOWN');
    const headers = { 'content-type': found.mediaType, 'docker-content-digest': found.digest };
    return { status: 200, headers, body: found.bytes };
  };
}

function unknown(code: string): { status: number; body: object } {
  return { status: 404, body: { errors: [{ code, message: 'unknown' }] } };
}
