/** Manifests, indexes and image configs as registries send them (OCI image specification 1.1, Docker schema 2), read without trust. */

import { Failure } from '../core/failure.ts';
import type { Platform } from '../core/platform.ts';
import { isRecord, parseRecord } from './json-record.ts';

export interface Descriptor {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

export type ManifestDocument =
  | { readonly kind: 'index'; readonly entries: readonly IndexEntry[] }
  | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  /** Well-formed, but nothing that a runtime could run: a chart, a signature, … */
  | { readonly kind: 'artifact'; readonly type: string };

export interface IndexEntry extends Descriptor {
  readonly platform: Platform | undefined;
}

export interface ImageConfig {
  readonly platform: Platform | undefined;
  readonly diffIds: readonly string[];
}

const imageTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  ...imageTypes,
];

/** All four types: Harbor answers 404 for an index that the client did not say it can read. */
export const manifestAccept = [...manifestTypes, '*/*'].join(', ');

/** By its Content-Type it is one image, no index. */
export function isImageType(contentType: string): boolean {
  return imageTypes.includes(toMediaType(contentType));
}

/** As Docker has it: besides the two image types what old registries stored in their place. */
const imageConfigTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/octet-stream',
  'application/json',
  'text/html',
  '',
]);

const digestPattern = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;

/** @throws Failure `upstream` for what is no manifest (a proxy's HTML page), `other` for Docker's schema 1. */
export function parseManifest(bytes: Buffer, contentType: string, subject: string): ManifestDocument {
  const broken = (why: string) => new Failure('upstream', `the manifest of ${subject} cannot be read: ${why}`);
  const document = parseRecord(bytes);
  if (document === undefined) throw broken('it is not a JSON object');
  const mediaType = text(document['mediaType']) || toMediaType(contentType);
  if (
    document['schemaVersion'] === 1 ||
    document['fsLayers'] !== undefined ||
    /manifest\.v1\+(?:json|prettyjws)$/.test(mediaType)
  ) {
    if (mediaType !== 'application/vnd.oci.image.manifest.v1+json') {
      throw new Failure(
        'other',
        `${subject} is in Docker's old schema 1, which runtimes no longer pull: push it again`,
      );
    }
  }
  const { manifests, config, layers } = document;
  if (Array.isArray(manifests)) {
    // One document that is both could be read as one thing here and as another by the runtime (CVE-2021-41190).
    if (config !== undefined || layers !== undefined) throw broken('it is an index and an image at once');
    return { kind: 'index', entries: manifests.flatMap(toIndexEntry) };
  }
  const configDescriptor = toDescriptor(config);
  if (configDescriptor === undefined) throw broken('it has no config');
  if (!imageConfigTypes.has(configDescriptor.mediaType)) {
    return { kind: 'artifact', type: text(document['artifactType']) || configDescriptor.mediaType };
  }
  if (!Array.isArray(layers)) throw broken('it has no layers');
  const descriptors = layers.map(toDescriptor);
  if (!descriptors.every((one) => one !== undefined)) throw broken('a layer has no valid digest or size');
  return { kind: 'image', config: configDescriptor, layers: descriptors };
}

function toMediaType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/** Undefined for what is no image config. */
export function parseImageConfig(bytes: Buffer): ImageConfig | undefined {
  const document = parseRecord(bytes);
  const rootfs = document?.['rootfs'];
  if (document === undefined || !isRecord(rootfs) || !Array.isArray(rootfs['diff_ids'])) return undefined;
  const diffIds: unknown[] = rootfs['diff_ids'];
  if (!diffIds.every((one) => typeof one === 'string' && digestPattern.test(one))) return undefined;
  return { platform: toPlatform(document), diffIds: diffIds as string[] };
}

function toIndexEntry(value: unknown): IndexEntry[] {
  const descriptor = toDescriptor(value);
  if (descriptor === undefined || !isRecord(value)) return [];
  if (descriptor.mediaType !== '' && !manifestTypes.includes(descriptor.mediaType)) return [];
  return [{ ...descriptor, platform: isRecord(value['platform']) ? toPlatform(value['platform']) : undefined }];
}

function toPlatform(value: Readonly<Record<string, unknown>>): Platform | undefined {
  const os = text(value['os']);
  const architecture = text(value['architecture']);
  if (os === '' || architecture === '') return undefined;
  return { os, architecture, variant: text(value['variant']), osVersion: text(value['os.version']) };
}

function toDescriptor(value: unknown): Descriptor | undefined {
  if (!isRecord(value)) return undefined;
  const digest = text(value['digest']);
  const size = value['size'];
  if (!digestPattern.test(digest) || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    return undefined;
  return { digest, sizeBytes: size, mediaType: text(value['mediaType']) };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
