/**
 * An in-memory `Registry` that keeps the port's contract (test/unit/registry/registry-contract.ts runs on it and on the real client).
 * Tests steer it: images with `add`, private hosts with `protect`, faults with `fail`, requests that hang with `hold`.
 */

import { createHash } from 'node:crypto';
import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import {
  formatReference,
  type ImageReference,
  parseReference,
  repositoryName,
} from '../../agent/core/image-reference.ts';
import { toChainIds } from '../../agent/core/layers.ts';
import type { ManifestSummary, Registry } from '../../agent/registry/registry.ts';

export interface FakeRegistryCall {
  readonly method: 'resolveDigest' | 'readManifest';
  /** Normalised, as `formatReference` writes it. */
  readonly reference: string;
  /** Whose credential was accepted; undefined: anonymous or refused. */
  readonly username: string | undefined;
}

export function fakeDigest(seed: string): string {
  return `sha256:${createHash('sha256').update(seed).digest('hex')}`;
}

/** A summary with made-up digests: layers of equal name are the same blob, so images can share them. */
export function fakeSummary(seed: string, layers: readonly { name: string; sizeBytes: number }[]): ManifestSummary {
  const manifestDigest = fakeDigest(`manifest ${seed}`);
  return {
    digest: manifestDigest,
    manifestDigest,
    imageId: fakeDigest(`config ${seed}`),
    configBytes: 1_000,
    layers: layers.map((layer) => ({ digest: fakeDigest(`layer ${layer.name}`), sizeBytes: layer.sizeBytes })),
    chainIds: toChainIds(layers.map((layer) => fakeDigest(`diff ${layer.name}`))),
  };
}

interface Fault {
  readonly error: unknown;
  remaining: number;
}

export class FakeRegistry implements Registry {
  readonly calls: FakeRegistryCall[] = [];
  readonly #images = new Map<string, ManifestSummary>();
  readonly #logins = new Map<string, { username: string; password: string }>();
  readonly #faults = new Map<string, Fault>();
  readonly #held = new Map<string, Promise<void>>();
  closed = false;

  /** Puts an image there, or moves the tag to it. It can be asked for by digest too. */
  add(reference: string, summary: ManifestSummary): void {
    const parsed = parseReference(reference);
    this.#images.set(formatReference(parsed), summary);
    this.#images.set(`${repositoryName(parsed)}@${summary.digest}`, summary);
    this.#images.set(`${repositoryName(parsed)}@${summary.manifestDigest}`, {
      ...summary,
      digest: summary.manifestDigest,
    });
  }

  remove(reference: string): void {
    this.#images.delete(formatReference(parseReference(reference)));
  }

  /** Only this login may read from the host from now on. */
  protect(host: string, username: string, password: string): void {
    this.#logins.set(host, { username, password });
  }

  /** The next `times` requests for the reference (`*`: for any) throw the error; `heal` ends it. */
  fail(reference: string, error: unknown, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(reference === '*' ? '*' : formatReference(parseReference(reference)), { error, remaining: times });
  }

  heal(): void {
    this.#faults.clear();
  }

  /** Requests for the reference (`*`: for any) wait until the returned function is called; they can be aborted. */
  hold(reference: string): () => void {
    const key = reference === '*' ? '*' : formatReference(parseReference(reference));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(key, promise);
    return () => {
      if (this.#held.get(key) === promise) this.#held.delete(key);
      resolve();
    };
  }

  async resolveDigest(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<string> {
    signal.throwIfAborted();
    if (reference.digest !== undefined) return reference.digest;
    return (await this.#find('resolveDigest', reference, credentials, signal)).digest;
  }

  async readManifest(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<ManifestSummary> {
    signal.throwIfAborted();
    return this.#find('readManifest', reference, credentials, signal);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async #find(
    method: FakeRegistryCall['method'],
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<ManifestSummary> {
    const name = formatReference(reference);
    const login = this.#logins.get(reference.registry);
    const accepted = credentials.find(
      (one) => one.host === reference.registry && one.username === login?.username && one.reveal() === login.password,
    );
    this.calls.push({ method, reference: name, username: accepted?.username });

    const held = this.#held.get(name) ?? this.#held.get('*');
    if (held !== undefined) await untilAborted(held, signal);

    const fault = this.#faults.get(name) ?? this.#faults.get('*');
    if (fault !== undefined && fault.remaining > 0) {
      fault.remaining -= 1;
      throw fault.error;
    }
    if (login !== undefined && accepted === undefined) {
      throw new Failure('auth', `${reference.registry} refuses ${name}`, { detail: 'auth_failed' });
    }
    const key = reference.digest === undefined ? name : `${repositoryName(reference)}@${reference.digest}`;
    const summary = this.#images.get(key);
    if (summary === undefined) throw new Failure('not_found', `${name} does not exist`);
    return summary;
  }
}

function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
