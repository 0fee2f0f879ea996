import { createHash } from 'node:crypto';
import { backoffMs, vanishedBackoffMs } from '../core/backoff.ts';
import type { Credential } from '../core/credentials.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import type { Backoff } from '../core/pull-planner.ts';

interface Attempts extends Backoff {
  readonly failures: number;
  /** Of the credentials that were tried: other ones end a wait after `auth`. */
  readonly credentials: string;
}

/** An image that stayed this long has stopped vanishing. */
const settledMs = 3_600_000;

/** Which references failed or vanished, how often in a row, and until when they are left alone. */
export class Backoffs {
  readonly #attempts = new Map<string, Attempts>();
  readonly #vanished = new Map<string, { times: number; at: number }>();
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get all(): ReadonlyMap<string, Backoff> {
    return this.#attempts;
  }

  get holdRefusals(): boolean {
    return this.#attempts.values().some(({ failure }) => failure.code === 'auth');
  }

  /** Notes a failed attempt and returns its wait in ms. @param isGivenOut as of `backoffMs` */
  failed(reference: string, failure: Failure, credentials: readonly Credential[], isGivenOut = false): number {
    const failures = (this.#attempts.get(reference)?.failures ?? 0) + 1;
    const delayMs = backoffMs(failure, failures, this.#random(), isGivenOut);
    this.#attempts.set(reference, {
      failures,
      failure,
      until: Date.now() + delayMs,
      credentials: fingerprint(credentials),
    });
    return delayMs;
  }

  succeeded(reference: string): void {
    this.#attempts.delete(reference);
  }

  /** An image that was here is gone, not by us: pulled again at once the first time, later and later when that repeats. */
  vanished(reference: string): void {
    const now = Date.now();
    const earlier = this.#vanished.get(reference);
    const times = earlier === undefined || now - earlier.at > settledMs ? 1 : earlier.times + 1;
    this.#vanished.set(reference, { times, at: now });
    const delayMs = vanishedBackoffMs(times, this.#random());
    if (delayMs === 0) return;
    const failure = new Failure('other', `it vanished ${times} times, last at ${new Date(now).toISOString()}`);
    this.#attempts.set(reference, { failures: 0, failure, until: now + delayMs, credentials: '' });
  }

  /** Ends the wait of references that were refused with other credentials than they have now. True: there were some. */
  async endForNewCredentials(
    images: readonly DesiredImage[],
    credentialsOf: (image: DesiredImage) => Promise<readonly Credential[]>,
  ): Promise<boolean> {
    let ended = false;
    for (const image of images) {
      const { reference } = image;
      const attempts = this.#attempts.get(reference);
      if (attempts?.failure.code !== 'auth') continue;
      if (fingerprint(await credentialsOf(image)) === attempts.credentials) continue;
      this.#attempts.delete(reference);
      ended = true;
    }
    return ended;
  }

  /** Its definition changed. */
  end(reference: string): void {
    this.#attempts.delete(reference);
  }

  /** Registries, credentials or settings of pulling changed, or somebody asks for a round now. */
  endAll(): void {
    this.#attempts.clear();
  }

  retain(references: ReadonlySet<string>): void {
    for (const reference of this.#attempts.keys()) if (!references.has(reference)) this.#attempts.delete(reference);
    for (const reference of this.#vanished.keys()) if (!references.has(reference)) this.#vanished.delete(reference);
  }
}

function fingerprint(credentials: readonly Credential[]): string {
  const hash = createHash('sha256');
  for (const credential of credentials) {
    hash.update(JSON.stringify([credential.host, credential.username, credential.reveal()]));
  }
  return hash.digest('base64');
}
