/**
 * An in-memory `ImageSource` that keeps the port's contract (test/unit/registry/image-source-contract.ts runs on it and on the real client). Tests
 * steer it: images with `add`, blobs that are not local yet with `chill`, policy with `refuse`, signatures with `sign`, faults with `fail`,
 * private hosts with `protect`, calls that hang with `hold`. What was asked of it is in `calls`.
 */

import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import {
  formatReference,
  type ImageReference,
  parseReference,
  repositoryName,
} from '../../agent/core/image-reference.ts';
import type { ManifestLayer } from '../../agent/core/manifest.ts';
import type { Platform } from '../../agent/core/platform.ts';
import type { ImageSource, SourceChildren, SourceImage, StoredSignature } from '../../agent/registry/image-source.ts';
import { FakeFaults } from './fake-faults.ts';
import { type FakeSourceImage, readFakeChildren, readFakeImage } from './fake-source-image.ts';

export type ImageSourceMethod = Exclude<keyof ImageSource, 'close'>;

export interface ImageSourceCall {
  readonly method: ImageSourceMethod;
  /** Normalised, as `formatReference` writes it. */
  readonly reference: string;
  /** Of the blob, or of the manifest whose signatures are asked for. */
  readonly digest: string | undefined;
  /** Whose credential was accepted; undefined: anonymous or refused. */
  readonly username: string | undefined;
}

/** What has to happen until a cold blob is local: it was opened, it was read to its end, or nothing helps. */
export type FillRule = 'touch' | 'read' | 'never';

interface ColdBlob {
  readonly rule: FillRule;
  readonly fillMs: number;
  /** Epoch ms; undefined: nobody asked for it yet. */
  localAt: number | undefined;
}

export class FakeImageSource implements ImageSource {
  readonly calls: ImageSourceCall[] = [];
  /** Why none of the signatures is there now, which need not mean that there are none. */
  unreadSignatures: Failure | undefined;
  readonly faults = new FakeFaults();
  closed = false;
  readonly #images = new Map<string, FakeSourceImage>();
  readonly #blobs = new Map<string, number>();
  readonly #cold = new Map<string, ColdBlob>();
  readonly #corrupt = new Set<string>();
  readonly #refusals = new Map<string, Failure>();
  readonly #signatures = new Map<string, StoredSignature[]>();
  readonly #logins = new Map<string, { readonly username: string; readonly password: string }>();

  /** Puts an image there, or moves the tag to it. It, and its children, can be asked for by digest too. */
  add(reference: string, image: FakeSourceImage): void {
    const parsed = parseReference(reference);
    const name = repositoryName(parsed);
    this.#images.set(formatReference(parsed), image);
    this.#images.set(`${name}@${image.digest}`, image);
    for (const child of image.children) {
      const only = { ...image, digest: child.digest, isIndex: false, children: [child] };
      if (image.isIndex) this.#images.set(`${name}@${child.digest}`, only);
      for (const blob of [child.config, ...child.layers]) this.#blobs.set(`${name}@${blob.digest}`, blob.sizeBytes);
    }
  }

  /** Removes the tag or the digest alone. */
  remove(reference: string): void {
    this.#images.delete(formatReference(parseReference(reference)));
  }

  /** The blob (`host/repository`, its digest) is not local until the rule is met and `fillMs` have passed by `Date.now()`. */
  chill(repository: string, digest: string, rule: FillRule = 'touch', fillMs = 0): void {
    this.#cold.set(`${repository}@${digest}`, { rule, fillMs, localAt: undefined });
  }

  /** The blob is sent with other bytes than its digest says. */
  corrupt(repository: string, digest: string): void {
    this.#corrupt.add(`${repository}@${digest}`);
  }

  /** Harbor's policy: the manifest (by tag or digest, of an index or a child) is not given out. Undefined: it is again. */
  refuse(reference: string, message: string | undefined): void {
    const key = formatReference(parseReference(reference));
    if (message === undefined) this.#refusals.delete(key);
    else this.#refusals.set(key, new Failure('policy', message, { detail: 'policy_blocked' }));
  }

  sign(repository: string, digest: string, signature: StoredSignature): void {
    const key = `${repository}@${digest}`;
    this.#signatures.set(key, [...(this.#signatures.get(key) ?? []), signature]);
  }

  /** Only this login may read from the host from now on. */
  protect(host: string, username: string, password: string): void {
    this.#logins.set(host, { username, password });
  }

  /** Calls of one method, or of all, so far. */
  count(method?: ImageSourceMethod): number {
    return this.calls.filter((call) => method === undefined || call.method === method).length;
  }

  async headManifest(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<{ readonly digest: string }> {
    await this.#enter('headManifest', reference, undefined, credentials, signal);
    return { digest: this.#find(reference).digest };
  }

  async readImage(
    reference: ImageReference,
    platforms: readonly Platform[],
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<SourceImage> {
    await this.#enter('readImage', reference, undefined, credentials, signal);
    const name = repositoryName(reference);
    return readFakeImage(this.#find(reference), platforms, (digest) => this.#refusals.get(`${name}@${digest}`));
  }

  async readChildren(
    reference: ImageReference,
    platforms: readonly Platform[],
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<SourceChildren> {
    await this.#enter('readChildren', reference, undefined, credentials, signal);
    return readFakeChildren(this.#find(reference), platforms);
  }

  async hasBlob(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<boolean> {
    await this.#enter('hasBlob', reference, digest, credentials, signal);
    const key = `${repositoryName(reference)}@${digest}`;
    const cold = this.#cold.get(key);
    return this.#blobs.has(key) && (cold === undefined || (cold.localAt ?? Number.POSITIVE_INFINITY) <= Date.now());
  }

  async touchBlob(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<{ readonly headersMs: number }> {
    await this.#enter('touchBlob', reference, digest, credentials, signal);
    this.#fill(this.#findBlob(reference, digest).key, 'touch');
    return { headersMs: 1 };
  }

  async discardBlob(
    reference: ImageReference,
    blob: ManifestLayer,
    credentials: readonly Credential[],
    signal: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<void> {
    await this.#enter('discardBlob', reference, blob.digest, credentials, signal);
    const { key, sizeBytes } = this.#findBlob(reference, blob.digest);
    onBytes?.(sizeBytes);
    if (this.#corrupt.has(key) || sizeBytes !== blob.sizeBytes) {
      throw new Failure('upstream', `${key}: other bytes`, { detail: 'digest_mismatch' });
    }
    this.#fill(key, 'read');
  }

  async listTags(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    await this.#enter('listTags', reference, undefined, credentials, signal);
    const start = `${repositoryName(reference)}:`;
    const tags = this.#images.keys().filter((name) => name.startsWith(start) && !name.includes('@'));
    return [...tags].map((name) => name.slice(start.length)).sort();
  }

  async readSignatures(
    reference: ImageReference,
    digest: string,
    credentials: readonly Credential[],
    signal: AbortSignal,
    onUnread?: (failure: Failure) => void,
  ): Promise<readonly StoredSignature[]> {
    await this.#enter('readSignatures', reference, digest, credentials, signal);
    if (this.unreadSignatures !== undefined) {
      onUnread?.(this.unreadSignatures);
      return [];
    }
    return this.#signatures.get(`${repositoryName(reference)}@${digest}`) ?? [];
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async #enter(
    method: ImageSourceMethod,
    reference: ImageReference,
    digest: string | undefined,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const name = formatReference(reference);
    const login = this.#logins.get(reference.registry);
    const accepted = credentials.find(
      (one) => one.host === reference.registry && one.username === login?.username && one.reveal() === login.password,
    );
    this.calls.push({ method, reference: name, digest, username: accepted?.username });
    await this.faults.pass([name, method, '*'], signal);
    if (login !== undefined && accepted === undefined) {
      throw new Failure('auth', `${reference.registry} refuses ${name}`, { detail: 'auth_failed' });
    }
  }

  #find(reference: ImageReference): FakeSourceImage {
    const name = formatReference(reference);
    const key = reference.digest === undefined ? name : `${repositoryName(reference)}@${reference.digest}`;
    const refusal = this.#refusals.get(key);
    if (refusal !== undefined) throw refusal;
    const image = this.#images.get(key);
    if (image === undefined) throw new Failure('not_found', `${name} does not exist`);
    return image;
  }

  #findBlob(reference: ImageReference, digest: string): { key: string; sizeBytes: number } {
    const key = `${repositoryName(reference)}@${digest}`;
    const sizeBytes = this.#blobs.get(key);
    if (sizeBytes === undefined) throw new Failure('not_found', `${key} does not exist`);
    return { key, sizeBytes };
  }

  #fill(key: string, how: 'touch' | 'read'): void {
    const cold = this.#cold.get(key);
    if (cold === undefined || cold.localAt !== undefined || cold.rule === 'never') return;
    if (cold.rule === how || how === 'read') cold.localAt = Date.now() + cold.fillMs;
  }
}
