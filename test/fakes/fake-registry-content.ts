/** What the registries of the fake's world hold, whom they let in, how they misbehave, and what was asked of them. */

import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import { parseReference, repositoryName, storedName } from '../../agent/core/image-reference.ts';
import { fakeImage } from './fake-image.ts';
import type { FakeImage, FakeImageSpec } from './fake-image.ts';

export interface FakeBlobRequest {
  readonly digest: string;
  /** Where the range begins: above zero when an earlier pull's bytes were kept. */
  readonly from: number;
  /** Bytes sent so far. */
  bytes: number;
}

export interface FakeRegistryFaults {
  /** Nobody answers; a pull in flight fails at its next byte. */
  offline?: boolean;
  /** Every manifest request is answered with this HTTP status. */
  status?: number;
  /** Per pull, in real (or fake) time; undefined: at once. */
  bytesPerSecond?: number;
}

export class FakeRegistryContent {
  readonly requests: FakeBlobRequest[] = [];
  /** Manifest requests by stored name, in order. */
  readonly resolved: string[] = [];
  faults: FakeRegistryFaults = {};
  readonly #images = new Map<string, FakeImage>();
  readonly #logins = new Map<string, { readonly username: string; readonly password: string }>();

  /** Adds an image under a tag (which moves if it is there) and under its digest. */
  add(reference: string, spec: FakeImageSpec): FakeImage {
    const parsed = parseReference(reference);
    const image = fakeImage(storedName(parsed), spec);
    if (parsed.tag !== undefined) this.#images.set(storedName({ ...parsed, digest: undefined }), image);
    this.#images.set(`${repositoryName(parsed)}@${image.manifestDigest}`, image);
    return image;
  }

  /** Removes the tag or the digest alone. */
  remove(reference: string): void {
    this.#images.delete(storedName(parseReference(reference)));
  }

  requireLogin(host: string, username: string, password: string): void {
    this.#logins.set(host, { username, password });
  }

  /** The image as the registry has it, whatever the faults; undefined when it is not there. */
  find(reference: string): FakeImage | undefined {
    return this.#images.get(storedName(parseReference(reference)));
  }

  /** One manifest request. @throws Failure as the adapters translate what registries answer. */
  resolve(reference: string, credential: Credential | undefined): FakeImage {
    this.resolved.push(reference);
    this.checkReachable();
    const { status } = this.faults;
    if (status === 429) throw new Failure('rate_limited', `${reference}: 429 Too Many Requests`);
    if (status === 401 || status === 403) throw new Failure('auth', `${reference}: status ${status}`);
    if (status !== undefined && status >= 500) throw new Failure('upstream', `${reference}: status ${status}`);
    if (status !== undefined) throw new Failure('other', `${reference}: status ${status}`);
    const { registry } = parseReference(reference);
    const login = this.#logins.get(registry);
    const letIn =
      login === undefined ||
      (credential?.host === registry &&
        credential.username === login.username &&
        credential.reveal() === login.password);
    if (!letIn) throw new Failure('auth', `${reference}: 401 Unauthorized`);
    const image = this.find(reference);
    if (image === undefined) throw new Failure('not_found', `${reference}: manifest unknown`);
    return image;
  }

  checkReachable(): void {
    if (this.faults.offline === true) throw new Failure('network', 'connection refused');
  }

  /** Bytes of one blob that were sent, all requests together. */
  bytesOf(digest: string): number {
    return this.requests.reduce((sum, request) => (request.digest === digest ? sum + request.bytes : sum), 0);
  }

  get bytesSent(): number {
    return this.requests.reduce((sum, request) => sum + request.bytes, 0);
  }
}
