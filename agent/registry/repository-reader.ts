/** Reads one repository with one login: digests, manifests and blobs, each checked against the digest that names it. */

import { createHash } from 'node:crypto';
import { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { Login, RegistryClient, RegistryRequest } from './client.ts';
import { type ManifestDocument, manifestAccept, parseManifest } from './manifest-document.ts';
import type { HttpResponse } from './transport.ts';

export interface ReadManifest {
  readonly digest: string;
  readonly document: ManifestDocument;
  /** For messages: `harbor.example.com/app/web:v1`. */
  readonly subject: string;
}

/** The distribution specification's floor, and Harbor's limit. */
const maxManifestBytes = 4 * 1024 * 1024;
const maxConfigBytes = 8 * 1024 * 1024;

const digestPattern = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;
/** A HEAD has no body to tell why, and some registries refuse the method: a GET decides. */
const undecidedStatuses: ReadonlySet<number> = new Set([400, 403, 404, 405, 412, 501]);

export class RepositoryReader {
  readonly signal: AbortSignal;
  readonly #client: RegistryClient;
  readonly #login: Login;
  readonly #reference: ImageReference;

  constructor(client: RegistryClient, login: Login, reference: ImageReference, signal: AbortSignal) {
    this.#client = client;
    this.#login = login;
    this.#reference = reference;
    this.signal = signal;
  }

  async digestOf(tag: string): Promise<string> {
    const request = this.#toRequest('HEAD', `manifests/${tag}`, maxManifestBytes, false);
    const response = await this.#client.send(request, this.#login, this.signal);
    const digest = response.header('docker-content-digest')[0] ?? '';
    if (response.status === 200 && digestPattern.test(digest)) return digest;
    if (response.status === 200 || undecidedStatuses.has(response.status) || saysNothing(response)) {
      return (await this.manifest(tag)).digest;
    }
    throw this.#client.toFailure(response, this.#subject(tag), request, this.#login);
  }

  /** @throws Failure `upstream` (`digest_mismatch`) where the bytes are not what the digest names. */
  async manifest(tagOrDigest: string): Promise<ReadManifest> {
    const isDigest = tagOrDigest.includes(':');
    const subject = this.#subject(tagOrDigest);
    const response = await this.#get(`manifests/${tagOrDigest}`, maxManifestBytes, isDigest, subject);
    const digest = isDigest ? verify(response.body, tagOrDigest, subject) : toSha256(response.body);
    return {
      digest,
      document: parseManifest(response.body, response.header('content-type')[0] ?? '', subject),
      subject,
    };
  }

  async config(digest: string): Promise<Buffer> {
    const subject = this.#subject(digest);
    const { body } = await this.#get(`blobs/${digest}`, maxConfigBytes, true, subject);
    verify(body, digest, subject);
    return body;
  }

  async #get(path: string, maxBytes: number, isVerified: boolean, subject: string): Promise<HttpResponse> {
    const request = this.#toRequest('GET', path, maxBytes, isVerified);
    const response = await this.#client.send(request, this.#login, this.signal);
    if (response.status !== 200) throw this.#client.toFailure(response, subject, request, this.#login);
    return response;
  }

  #toRequest(method: 'GET' | 'HEAD', path: string, maxBytes: number, isVerified: boolean): RegistryRequest {
    const request = { method, repository: this.#reference.repository, path, maxBytes, isVerified };
    return path.startsWith('manifests/') ? { ...request, accept: manifestAccept } : request;
  }

  #subject(tagOrDigest: string): string {
    return `${repositoryName(this.#reference)}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
  }
}

/** Harbor's 401 with an empty challenge: the project does not exist, but only a body says so. */
function saysNothing(response: HttpResponse): boolean {
  return response.status === 401 && response.header('www-authenticate').every((value) => value.trim() === '');
}

/** Harbor cuts a proxied blob short without an error when its upstream breaks off: only the digest shows it. */
function verify(bytes: Buffer, digest: string, subject: string): string {
  const [algorithm = '', expected] = digest.split(':');
  if (algorithm !== 'sha256' && algorithm !== 'sha512') {
    throw new Failure('other', `${subject}: digests of the kind ${algorithm} cannot be checked`);
  }
  if (createHash(algorithm).update(bytes).digest('hex') !== expected) {
    throw new Failure('upstream', `the registry sends other bytes than the digest of ${subject} says`, {
      detail: 'digest_mismatch',
    });
  }
  return digest;
}

function toSha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
