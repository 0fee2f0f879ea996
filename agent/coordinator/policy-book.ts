import type { Failure } from '../core/failure.ts';

/** Of what Harbor refuses, one HEAD in this time where nothing tells that it changed. */
const askAgainMs = 3_600_000;
/** Some repositories' worth: what is forgotten is only asked once more. */
const mostEntries = 10_000;

/** What a policy looks at. */
export interface Fingerprint {
  /** Changes with it. */
  readonly text: string;
  /** A scan is still to come, or runs: soon there is another one. */
  readonly isPending: boolean;
}

type FingerprintOf = () => Promise<Fingerprint | undefined>;

interface Refused {
  readonly repository: string;
  readonly askedAt: number;
  /** Since when its scan is not over. */
  pendingAt: number | undefined;
  fingerprint: string | undefined;
}

const pendingAskMs = 60_000;
/** A scan that takes longer is seen at the usual time. */
const pendingForMs = 600_000;

/** What Harbor refused, so that it is asked again when its scan or digest changed, or once an hour. */
export class PolicyBook {
  readonly #refused = new Map<string, Refused>();

  /**
   * Whether a manifest that was refused may be asked for again.
   * @param key repository and digest or tag
   * @param fingerprintOf what Harbor's API says of digest, scan and signatures; undefined: it may not be read
   */
  async mayAsk(key: string, fingerprintOf: FingerprintOf): Promise<boolean> {
    const known = this.#refused.get(key);
    if (known === undefined || performance.now() - known.askedAt >= askAgainMs) return true;
    const fingerprint = await fingerprintOf();
    if (fingerprint === undefined || fingerprint.text === known.fingerprint) return false;
    if (known.fingerprint !== undefined) return true;
    known.fingerprint = fingerprint.text;
    known.pendingAt = fingerprint.isPending ? known.askedAt : undefined;
    return false;
  }

  /** How soon something of a repository (with its host) is worth being asked for again, ms; Infinity: at its usual time. */
  askAgainInMs(repository: string): number {
    const now = performance.now();
    const isSoon = this.#refused
      .values()
      .some(
        (one) => one.repository === repository && one.pendingAt !== undefined && now - one.pendingAt < pendingForMs,
      );
    return isSoon ? pendingAskMs : Number.POSITIVE_INFINITY;
  }

  async refused(key: string, fingerprintOf: FingerprintOf): Promise<void> {
    const askedAt = performance.now();
    const fingerprint = await fingerprintOf();
    const before = this.#refused.get(key)?.pendingAt;
    const pendingAt = fingerprint?.isPending === true ? (before ?? askedAt) : undefined;
    this.#refused.delete(key);
    const repository = key.slice(0, key.lastIndexOf('@'));
    this.#refused.set(key, { repository, askedAt, pendingAt, fingerprint: fingerprint?.text });
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
