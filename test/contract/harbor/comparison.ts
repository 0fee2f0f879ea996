/** What has to be the same in a recorded answer and a replayed one: names of digests and hosts aside. */

import type { Reply } from './client.ts';
import type { Recording } from './recording.ts';

export interface Comparable {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface Names {
  /** Recorded digest to the one of the replay. */
  readonly digests: ReadonlyMap<string, string>;
  readonly host: string;
  /** Host of the object storage in redirects. */
  readonly storageHost: string;
}

const compared = [
  'Www-Authenticate',
  'Docker-Content-Digest',
  'Docker-Distribution-Api-Version',
  'Content-Type',
  'Content-Range',
  'Accept-Ranges',
  'Cache-Control',
  'Link',
  'X-Total-Count',
  'Etag',
  'Location',
  'X-Content-Type-Options',
];
const anyDigest = /sha256:[0-9a-f]{64}/g;

export function toRecorded({ response }: Recording, { digests }: Names, lax: readonly string[]): Comparable {
  const known = new Set(digests.keys());
  const clean = (text: string): string =>
    text.replaceAll(anyDigest, (digest) => (known.has(digest) ? digest : 'sha256:*'));
  return toComparable(response.status, lowerCase(response.headers), response.body, clean, lax);
}

export function toReplayed(reply: Reply, names: Names, lax: readonly string[]): Comparable {
  const back = new Map([...names.digests].map(([recorded, own]) => [own, recorded]));
  const clean = (text: string): string =>
    text
      .replaceAll(anyDigest, (digest) => back.get(digest) ?? 'sha256:*')
      .replaceAll(/\b[0-9a-f]{2}\/[0-9a-f]{64}\/data\?.*$/g, (path) => toRecordedPath(path, back))
      .replaceAll(names.host, 'harbor.example')
      .replaceAll(names.storageHost, 'storage.example');
  return toComparable(reply.status, reply.headers, parseBody(reply), clean, lax);
}

/** The path of a blob in the storage names its digest without `sha256:`. */
function toRecordedPath(path: string, back: ReadonlyMap<string, string>): string {
  const [, hex = ''] = path.split('/');
  const recorded = (back.get(`sha256:${hex}`) ?? '').slice('sha256:'.length);
  return `${recorded.slice(0, 2)}/${recorded}/data`;
}

function toComparable(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: unknown,
  clean: (text: string) => string,
  lax: readonly string[],
): Comparable {
  const shown: Record<string, string> = {};
  for (const name of compared) {
    const value = headers[name.toLowerCase()];
    if (value === undefined || lax.includes(name)) continue;
    // Sizes are those of other images.
    shown[name] = name === 'Content-Range' ? value.replaceAll(/\d+/g, '0') : clean(value);
  }
  if (!lax.includes('Content-Length')) shown['Content-Length'] = 'content-length' in headers ? 'there' : 'absent';
  return { status, headers: shown, body: isBinary(headers['content-type']) ? binary : toShape(body, clean) };
}

function parseBody({ body }: Reply): unknown {
  const text = body.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const binary = 'binary';

/** Blobs, configs among them: those are guessed to be text when they are not cached. */
function isBinary(contentType: string | undefined): boolean {
  return contentType === 'application/octet-stream' || contentType === 'application/x-gzip';
}

/** Keys and types, values of errors, whole texts. */
function toShape(value: unknown, clean: (text: string) => string): unknown {
  if (isErrors(value)) {
    return {
      errors: value.errors.map(({ code, message }) => ({
        code,
        message: clean(message).replace(/body: .*$/s, 'body: *'),
      })),
    };
  }
  return typeof value === 'string' ? toText(value, clean) : toKeys(value);
}

function toText(text: string, clean: (text: string) => string): string {
  return clean(text).replaceAll('\r\n', '\n').trim();
}

function isErrors(value: unknown): value is { errors: { code: string; message: string }[] } {
  return typeof value === 'object' && value !== null && 'errors' in value && Array.isArray(value.errors);
}

/** Items of a list are merged: how many there are is said by X-Total-Count. */
function toKeys(value: unknown): unknown {
  if (Array.isArray(value)) {
    const shapes = new Map(value.map((item) => [JSON.stringify(toKeys(item)), toKeys(item)]));
    return [...shapes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, shape]) => shape);
  }
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  // These keys are names of their own: severities, reports.
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key === 'summary' && !isSummary(inner) ? 'counts' : toKeys(inner),
  ]);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

function isSummary(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'total' in value;
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
