/** Small but complete images, and a server's answers for them. */

import { toChainIds } from '../../../agent/core/layers.ts';
import type { ManifestSummary } from '../../../agent/registry/registry.ts';
import { type Handler, sha256 } from './stub-server.ts';

export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';

export interface Stored {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Image extends Stored {
  readonly config: Stored;
  /** As the registry client should describe it when the manifest itself is named. */
  readonly summary: ManifestSummary;
}

export const amd64: Platform = { os: 'linux', architecture: 'amd64' };

export function store(mediaType: string, content: object | string): Stored {
  const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
  return { digest: sha256(bytes), bytes, mediaType };
}

export function image(seed: string, platform: Platform | undefined = amd64, overrides: object = {}): Image {
  const diffIds = [sha256('diff base'), sha256(`diff ${seed}`)];
  const layers = [
    { digest: sha256('base'), sizeBytes: 1_000 },
    { digest: sha256(seed), sizeBytes: 500 },
  ];
  const config = store('application/vnd.oci.image.config.v1+json', {
    ...platform,
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const manifest = store(ociManifest, {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: config.mediaType, digest: config.digest, size: config.bytes.length },
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size: sizeBytes,
    })),
    ...overrides,
  });
  const summary = {
    digest: manifest.digest,
    manifestDigest: manifest.digest,
    imageId: config.digest,
    configBytes: config.bytes.length,
    layers,
    chainIds: toChainIds(diffIds),
  };
  return { ...manifest, config, summary };
}

export interface Entry {
  readonly item: Stored;
  readonly platform?: Platform;
}

export function index(entries: readonly Entry[], mediaType: string = ociIndex): Stored {
  return store(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: entries.map(({ item, platform }) => ({
      mediaType: item.mediaType,
      digest: item.digest,
      size: item.bytes.length,
      ...(platform === undefined ? {} : { platform }),
    })),
  });
}

/** Manifests by tag and digest, blobs by digest, of one repository: what a registry without a login answers. */
export class Repository {
  readonly name: string;
  readonly #manifests = new Map<string, Stored>();
  readonly #blobs = new Map<string, Stored>();

  constructor(name: string) {
    this.name = name;
  }

  put(...images: readonly (Image | Stored)[]): void {
    for (const one of images) {
      this.#manifests.set(one.digest, one);
      if ('config' in one) this.#blobs.set(one.config.digest, one.config);
    }
  }

  tag(tag: string, item: Image | Stored): void {
    this.put(item);
    this.#manifests.set(tag, item);
  }

  readonly handler: Handler = ({ method, path }) => {
    const prefix = `/v2/${this.name}/`;
    if (!path.startsWith(prefix) || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const [kind = '', name = ''] = path.slice(prefix.length).split('/');
    const found = (kind === 'manifests' ? this.#manifests : this.#blobs).get(name);
    if (found === undefined) {
      const error =
        kind === 'manifests' ? ['MANIFEST_UNKNOWN', 'manifest unknown'] : ['BLOB_UNKNOWN', 'blob unknown to registry'];
      return { status: 404, body: { errors: [{ code: error[0], message: error[1] }] } };
    }
    const type = kind === 'manifests' ? found.mediaType : 'application/octet-stream';
    return { status: 200, headers: { 'content-type': type, 'docker-content-digest': found.digest }, body: found.bytes };
  };
}
