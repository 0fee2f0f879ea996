/** Reads one repository with one login: digests, manifests and small blobs, each checked against the digest that names it. */

import { checkContent, contentDigestPattern, toSha256 } from './content-digest.ts';
import { type ManifestDocument, manifestAccept, parseManifest } from './manifest-document.ts';
import type { RepositoryAccess, RepositoryRequest } from './repository-access.ts';
import type { HttpResponse } from './transport.ts';

export interface ReadManifest {
  readonly digest: string;
  readonly document: ManifestDocument;
  /** For messages: `harbor.example.com/app/web:v1`. */
  readonly subject: string;
}

export interface RawManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly subject: string;
}

/** The distribution specification's floor, and Harbor's limit. */
export const maxManifestBytes = 4 * 1024 * 1024;
const maxConfigBytes = 8 * 1024 * 1024;

/** A HEAD has no body to tell why, and some registries refuse the method: a GET decides. */
const undecidedStatuses: ReadonlySet<number> = new Set([400, 403, 404, 405, 412, 501]);

export class RepositoryReader {
  readonly #access: RepositoryAccess;

  constructor(access: RepositoryAccess) {
    this.#access = access;
  }

  get signal(): AbortSignal {
    return this.#access.signal;
  }

  async digestOf(tagOrDigest: string): Promise<string> {
    return (await this.head(tagOrDigest)).digest;
  }

  /** `contentType` is empty where the answer did not say. */
  async head(tagOrDigest: string): Promise<RawManifest | Pick<RawManifest, 'digest' | 'contentType'>> {
    const isDigest = tagOrDigest.includes(':');
    const request = toManifestRequest('HEAD', tagOrDigest, false);
    const response = await this.#access.send(request);
    const digest = response.header('docker-content-digest')[0] ?? '';
    // Of a digest only the bytes can show that they are others.
    const isNamed = isDigest ? digest === tagOrDigest : contentDigestPattern.test(digest);
    if (response.status === 200 && isNamed) return { digest, contentType: response.header('content-type')[0] ?? '' };
    if (response.status === 200 || undecidedStatuses.has(response.status) || saysNothing(response)) {
      return await this.rawManifest(tagOrDigest);
    }
    throw await this.#access.toFailure(response, this.#access.subject(tagOrDigest), request);
  }

  /**
   * Of a Harbor a tag is read as runtimes do it, by the digest that HEAD names: an index that is first asked for by its tag gets none in the store of
   * a proxy-cache project (Harbor 2.15.2), and nobody could pull it by the tag while the upstream is away.
   */
  async manifest(tagOrDigest: string): Promise<ReadManifest> {
    const { digest, bytes, contentType, subject } = await this.#rawByDigest(tagOrDigest);
    return { digest, document: parseManifest(bytes, contentType, subject), subject };
  }

  async #rawByDigest(tagOrDigest: string): Promise<RawManifest> {
    if (tagOrDigest.includes(':') || !this.#access.isHarbor) return await this.rawManifest(tagOrDigest);
    const head = await this.head(tagOrDigest);
    // Where HEAD does not help, it has read the manifest itself.
    return 'bytes' in head ? head : await this.rawManifest(head.digest);
  }

  /** @throws Failure `upstream` (`digest_mismatch`) where the bytes are not what the digest names. */
  async rawManifest(tagOrDigest: string): Promise<RawManifest> {
    const isDigest = tagOrDigest.includes(':');
    const subject = this.#access.subject(tagOrDigest);
    const response = await this.#get(toManifestRequest('GET', tagOrDigest, isDigest), subject);
    if (isDigest) checkContent(response.body, tagOrDigest, subject);
    return {
      digest: isDigest ? tagOrDigest : toSha256(response.body),
      bytes: response.body,
      contentType: response.header('content-type')[0] ?? '',
      subject,
    };
  }

  /** A config, or what else is small. */
  async blob(digest: string, maxBytes = maxConfigBytes): Promise<Buffer> {
    const subject = this.#access.subject(digest);
    const request = { method: 'GET', path: `blobs/${digest}`, operation: 'blob', maxBytes, isVerified: true } as const;
    const { body } = await this.#get(request, subject);
    checkContent(body, digest, subject);
    return body;
  }

  async #get(request: RepositoryRequest, subject: string): Promise<HttpResponse> {
    const response = await this.#access.send(request);
    if (response.status !== 200) throw await this.#access.toFailure(response, subject, request);
    return response;
  }
}

/** A 401 that is not about logging in: what it is about only a body says. */
function saysNothing(response: HttpResponse): boolean {
  return response.status === 401 && response.header('www-authenticate').every((value) => value.trim() === '');
}

function toManifestRequest(method: 'GET' | 'HEAD', tagOrDigest: string, isVerified: boolean): RepositoryRequest {
  return {
    method,
    path: `manifests/${tagOrDigest}`,
    operation: 'manifest',
    accept: manifestAccept,
    maxBytes: maxManifestBytes,
    isVerified,
  };
}
