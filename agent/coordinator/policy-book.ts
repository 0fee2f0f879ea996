import type { Failure } from '../core/failure.ts';

/** Of what Harbor refuses, one HEAD in this time where nothing tells that it changed. */
const askAgainMs = 3_600_000;
/** Some repositories' worth: what is forgotten is only asked once more. */
const mostEntries = 10_000;

interface Refused {
  readonly askedAt: number;
  fingerprint: string | undefined;
}

/** What Harbor refused, so that it is asked again when its scan or digest changed, or once an hour. */
export class PolicyBook {
  readonly #refused = new Map<string, Refused>();

  /**
   * Whether a manifest that was refused may be asked for again.
   * @param key repository and digest or tag
   * @param fingerprintOf what Harbor's API says of digest, scan and signatures, as a text; undefined: it may not be read
   */
  async mayAsk(key: string, fingerprintOf: () => Promise<string | undefined>): Promise<boolean> {
    const known = this.#refused.get(key);
    if (known === undefined || performance.now() - known.askedAt >= askAgainMs) return true;
    const fingerprint = await fingerprintOf();
    if (fingerprint === undefined || fingerprint === known.fingerprint) return false;
    if (known.fingerprint !== undefined) return true;
    known.fingerprint = fingerprint;
    return false;
  }

  async refused(key: string, fingerprintOf: () => Promise<string | undefined>): Promise<void> {
    const askedAt = performance.now();
    const fingerprint = await fingerprintOf();
    this.#refused.delete(key);
    this.#refused.set(key, { askedAt, fingerprint });
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= mostEntries) break;
      this.#refused.delete(oldest);
    }
  }

  passed(key: string): void {
    this.#refused.delete(key);
  }
}

export function isRefusal(failure: Pick<Failure, 'code' | 'detail'>): boolean {
  return failure.code === 'policy' && failure.detail === 'policy_blocked';
}
