/** What the upstream was asked, and what it sent. Pure. */

import type { RegistryRequest } from '../../harness/registry-proxy.ts';

export interface UpstreamFigures {
  readonly heads: number;
  readonly manifests: number;
  /** GETs of blobs. */
  readonly blobs: number;
  /** Of these, sent to their end. */
  readonly completeBlobs: number;
  /** Bodies, as far as they were handed to connections. */
  readonly bytes: number;
  /** Bytes of blobs by the size of the image. */
  readonly timesTheImage: number;
}

type Request = Pick<RegistryRequest, 'method' | 'path' | 'bytes' | 'at' | 'complete'>;

/**
 * Of requests that began in [`from`, `until`), on the clock of `at`. Harbor's looks whether the upstream lives are not in it: they come without an
 * image.
 */
export function toUpstreamFigures(
  requests: readonly Request[],
  imageBytes: number,
  from = Number.NEGATIVE_INFINITY,
  until = Number.POSITIVE_INFINITY,
): UpstreamFigures {
  const within = requests.filter(({ at, path }) => at >= from && at < until && /\/(?:manifests|blobs)\//.test(path));
  const gets = within.filter(({ method }) => method === 'GET');
  const blobs = gets.filter(({ path }) => path.includes('/blobs/'));
  const blobBytes = blobs.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    heads: within.filter(({ method }) => method === 'HEAD').length,
    manifests: gets.length - blobs.length,
    blobs: blobs.length,
    completeBlobs: blobs.filter(({ complete }) => complete).length,
    bytes: within.reduce((sum, { bytes }) => sum + bytes, 0),
    timesTheImage: blobBytes / imageBytes,
  };
}

export function toRequests({ heads, manifests, blobs }: UpstreamFigures): number {
  return heads + manifests + blobs;
}

/** Requests by kind, as clients count them. */
export type RequestCounts = Readonly<Record<string, number>>;

export function sumRequests(counts: readonly RequestCounts[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of counts) for (const [kind, count] of Object.entries(one)) sums[kind] = (sums[kind] ?? 0) + count;
  return sums;
}

export function totalOf(counts: RequestCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
