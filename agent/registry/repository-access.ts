/** One repository, asked with one login: what readers of manifests, blobs, tags and signatures have in common. */

import type { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { Login, RegistryClient, RegistryRequest } from './client.ts';
import type { HttpResponse, OpenResponse } from './transport.ts';

export type RepositoryRequest = Omit<RegistryRequest, 'repository'>;

export class RepositoryAccess {
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

  get isHarbor(): boolean {
    return this.#login.endpoint.harbor === true;
  }

  /** Where the repository is, for addresses that the registry gives. */
  get base(): URL {
    return new URL(`v2/${this.#reference.repository}/`, this.#login.endpoint.base);
  }

  /** For messages: `harbor.example.com/app/web:v1`. */
  subject(tagOrDigest: string): string {
    return `${repositoryName(this.#reference)}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
  }

  /** As `RegistryClient.send`. */
  send(request: RepositoryRequest): Promise<HttpResponse> {
    return this.#client.send(this.#complete(request), this.#login, this.signal);
  }

  /** As `RegistryClient.open`. */
  open(request: RepositoryRequest): Promise<OpenResponse> {
    return this.#client.open(this.#complete(request), this.#login, this.signal);
  }

  /** As `RegistryClient.toFailure`. */
  toFailure(response: HttpResponse, subject: string, request: RepositoryRequest): Promise<Failure> {
    return this.#client.toFailure(response, subject, this.#complete(request), this.#login, this.signal);
  }

  #complete(request: RepositoryRequest): RegistryRequest {
    return { ...request, repository: this.#reference.repository };
  }
}
