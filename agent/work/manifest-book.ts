import type { Credential } from '../core/credentials.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { ManifestSummary } from '../core/manifest.ts';
import type { ManifestKnowledge } from '../core/pull-planner.ts';
import type { Registry } from '../registry/registry.ts';
import { sleep } from '../core/sleep.ts';

export interface RemoteDigest {
  readonly digest: string | undefined;
  readonly nextCheckAt: number;
}

interface Entry {
  readonly knowledge: ManifestKnowledge;
  readonly at: number;
}

/** Pulls are held back this long for an answer that decides their order; a registry that hangs delays them no further. */
const patienceMs = 5_000;
/** Whoever only asks for a plan gets it then without the missing sizes. */
const answerPatienceMs = 10_000;
/** A tag may move while its pull waits. */
const freshMs = 300_000;
/** A failed check is repeated no sooner than this, and no later than the image's own interval. */
const failedCheckMs = 60_000;

export interface ManifestBookParts {
  readonly registry: Registry;
  readonly credentialsOf: (image: DesiredImage) => Promise<readonly Credential[]>;
  readonly log: Logger;
  /** An answer has come: look again. */
  readonly onAnswer: () => void;
}

/** What the registry says of desired images: asked in the background, one question per reference at a time. */
export class ManifestBook {
  readonly #parts: ManifestBookParts;
  readonly #entries = new Map<string, Entry>();
  readonly #digests = new Map<string, RemoteDigest>();
  readonly #asking = new Map<string, Promise<void>>();
  /** Ends the questions that were asked under an earlier configuration. */
  #outdated = new AbortController();

  constructor(parts: ManifestBookParts) {
    this.#parts = parts;
  }

  get knowledge(): ReadonlyMap<string, ManifestKnowledge> {
    return new Map([...this.#entries].map(([reference, { knowledge }]) => [reference, knowledge]));
  }

  get remoteDigests(): ReadonlyMap<string, RemoteDigest> {
    return this.#digests;
  }

  manifestOf(reference: string): ManifestSummary | undefined {
    const knowledge = this.#entries.get(reference)?.knowledge;
    return knowledge?.kind === 'known' ? knowledge.manifest : undefined;
  }

  failureOf(reference: string): Failure | undefined {
    const knowledge = this.#entries.get(reference)?.knowledge;
    return knowledge?.kind === 'failed' ? knowledge.failure : undefined;
  }

  /** Starts to read the manifests; each answer calls `onAnswer`. */
  readManifests(images: readonly DesiredImage[], signal: AbortSignal): void {
    const now = Date.now();
    for (const image of images) {
      const { reference } = image;
      if (this.#entries.has(reference)) continue;
      this.#entries.set(reference, { knowledge: { kind: 'pending', patienceEndsAt: now + patienceMs }, at: now });
      this.#ask(`manifest ${reference}`, () => this.#readManifest(image, signal));
    }
  }

  /** Starts to ask what the tags resolve to now. */
  checkDigests(images: readonly DesiredImage[], signal: AbortSignal): void {
    for (const image of images) this.#ask(`digest ${image.reference}`, () => this.#checkDigest(image, signal));
  }

  /** After a pull: what was pulled is what the tag resolved to. */
  pulled(image: DesiredImage, manifest: ManifestSummary | undefined): void {
    this.#entries.delete(image.reference);
    if (image.refreshEveryMs === undefined) return;
    // Only a pull of the tag itself tells what the registry names for it.
    if (manifest === undefined || image.pullReference !== image.reference) this.#digests.delete(image.reference);
    else this.#remember(image, manifest.digest, image.refreshEveryMs);
  }

  forget(reference: string): void {
    this.#entries.delete(reference);
  }

  /** Other settings may give other answers: what was asked with the old ones is not waited for. */
  forgetAll(): void {
    this.#outdated.abort();
    this.#outdated = new AbortController();
    this.#asking.clear();
    this.#entries.clear();
    this.#digests.clear();
  }

  /** Drops what nobody asks for any more. */
  retain(references: ReadonlySet<string>): void {
    for (const kept of [this.#entries, this.#digests]) {
      for (const reference of kept.keys()) if (!references.has(reference)) kept.delete(reference);
    }
  }

  /** Drops what is too old to rely on: it is asked again. */
  expire(): void {
    const oldest = Date.now() - freshMs;
    for (const [reference, { knowledge, at }] of this.#entries) {
      if (at < oldest && knowledge.kind !== 'pending') this.#entries.delete(reference);
    }
  }

  get isAsking(): boolean {
    return this.#asking.size > 0;
  }

  /** Resolves when no question is open any more; a registry that hangs is waited for no longer than 10 s. */
  async settled(signal: AbortSignal): Promise<void> {
    const patience = new AbortController();
    const timeIsUp = sleep(answerPatienceMs, AbortSignal.any([signal, patience.signal]));
    const answered = async (): Promise<void> => {
      while (this.#asking.size > 0 && !patience.signal.aborted) await Promise.all(this.#asking.values());
    };
    await Promise.race([answered(), timeIsUp]);
    patience.abort();
    signal.throwIfAborted();
  }

  #ask(key: string, question: () => Promise<void>): void {
    if (this.#asking.has(key)) return;
    const asking = question().finally(() => {
      if (this.#asking.get(key) !== asking) return;
      this.#asking.delete(key);
      this.#parts.onAnswer();
    });
    this.#asking.set(key, asking);
  }

  async #readManifest(image: DesiredImage, signal: AbortSignal): Promise<void> {
    const { reference, pullReference } = image;
    const outdated = this.#outdated.signal;
    const either = AbortSignal.any([signal, outdated]);
    let knowledge: ManifestKnowledge;
    try {
      const credentials = await this.#parts.credentialsOf(image);
      const manifest = await this.#parts.registry.readManifest(parseReference(pullReference), credentials, either);
      either.throwIfAborted();
      knowledge = { kind: 'known', manifest };
    } catch (error) {
      if (outdated.aborted) return;
      if (signal.aborted) {
        // Nobody waits for this answer any more; whoever wants one asks again.
        this.#entries.delete(reference);
        return;
      }
      const failure = Failure.from(error);
      this.#parts.log.debug({ image: reference, code: failure.code, error: failure.message }, 'manifest not read');
      knowledge = { kind: 'failed', failure };
    }
    if (this.#entries.has(reference)) this.#entries.set(reference, { knowledge, at: Date.now() });
  }

  async #checkDigest(image: DesiredImage, signal: AbortSignal): Promise<void> {
    const { reference, refreshEveryMs } = image;
    if (refreshEveryMs === undefined) return;
    const before = this.#digests.get(reference)?.digest;
    const either = AbortSignal.any([signal, this.#outdated.signal]);
    try {
      const credentials = await this.#parts.credentialsOf(image);
      const digest = await this.#parts.registry.resolveDigest(parseReference(reference), credentials, either);
      either.throwIfAborted();
      this.#remember(image, digest, refreshEveryMs);
      if (before !== undefined && before !== digest) this.#entries.delete(reference);
    } catch (error) {
      if (either.aborted) return;
      const failure = Failure.from(error);
      this.#parts.log.warn({ image: reference, code: failure.code, error: failure.message }, 'tag not checked');
      this.#remember(image, before, Math.min(refreshEveryMs, Math.max(failedCheckMs, failure.retryAfterMs ?? 0)));
    }
  }

  /** A tenth of jitter each way: nodes that started together do not ask together for ever. */
  #remember(image: DesiredImage, digest: string | undefined, everyMs: number): void {
    const nextCheckAt = Date.now() + everyMs * (0.9 + 0.2 * Math.random());
    this.#digests.set(image.reference, { digest, nextCheckAt });
  }
}
