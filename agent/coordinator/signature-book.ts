import { createHash } from 'node:crypto';
import { hasSignature, type SignatureVerdict } from '../core/artifact-selection.ts';
import { verifyCosign } from '../core/cosign-signature.ts';
import { Failure } from '../core/failure.ts';
import { parsePlatform, toPlatformCandidates } from '../core/platform.ts';
import type { RepositoryPattern } from '../core/repository-pattern.ts';
import type { Harbor, HarborArtifact, HarborLogin } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { apiLane, type Breaker, signaturesLane } from './breaker.ts';

export interface SignatureBookParts {
  readonly source: Pick<ImageSource, 'readSignatures'>;
  readonly harbor: Pick<Harbor, 'readArtifact'>;
}

export interface SignedArtifact {
  /** Of the round. */
  readonly breaker: Breaker;
  readonly login: HarborLogin;
  readonly project: string;
  /** Of a proxy-cache project. */
  readonly isProxied: boolean;
  readonly artifact: HarborArtifact;
  /** Those that nodes pull, as `formatPlatform` writes them. */
  readonly platforms: readonly string[];
}

/** Signatures are seldom taken away, and a missing one seldom comes later: found ones are believed for long, missing ones for an hour. */
const signedForMs = 24 * 3_600_000;
const unsignedForMs = 3_600_000;
const mostEntries = 20_000;

/**
 * Whether artifacts are signed as a pattern asks: the index, and the own manifest of each platform that nodes pull, since that is what runs.
 */
export class SignatureBook {
  readonly #parts: SignatureBookParts;
  readonly #known = new Map<string, { readonly verdict: SignatureVerdict | undefined; readonly until: number }>();

  constructor(parts: SignatureBookParts) {
    this.#parts = parts;
  }

  /** @returns what is wrong, or undefined. @throws Failure where it cannot be told */
  async check(
    pattern: RepositoryPattern,
    signed: SignedArtifact,
    signal: AbortSignal,
  ): Promise<SignatureVerdict | undefined> {
    const { project, artifact, platforms } = signed;
    const key = toKey([
      [pattern.registry, project, artifact.repository, artifact.digest],
      [pattern.signed, ...pattern.signedBy],
      platforms,
      artifact.accessories.map(({ digest }) => digest).toSorted(),
    ]);
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() < known.until) return known.verdict;
    const verdict = await this.#look(pattern, signed, signal);
    this.#known.delete(key);
    this.#known.set(key, {
      verdict,
      until: performance.now() + (verdict === undefined ? signedForMs : unsignedForMs),
    });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= mostEntries) break;
      this.#known.delete(oldest);
    }
    return verdict;
  }

  async #look(
    pattern: RepositoryPattern,
    signed: SignedArtifact,
    signal: AbortSignal,
  ): Promise<SignatureVerdict | undefined> {
    const { artifact } = signed;
    const own = await this.#lookAt(pattern, signed, artifact.digest, () => Promise.resolve(artifact), signal);
    if (own !== undefined) return own;
    for (const { digest, platform } of childrenOf(signed)) {
      const read = () => this.#readChild(signed, digest, signal);
      const verdict = await this.#lookAt(pattern, signed, digest, read, signal);
      if (verdict !== undefined) return { ...verdict, message: `its ${platform} image: ${verdict.message}` };
    }
    return undefined;
  }

  async #lookAt(
    pattern: RepositoryPattern,
    { breaker, login, project, isProxied, artifact }: SignedArtifact,
    digest: string,
    read: () => Promise<HarborArtifact>,
    signal: AbortSignal,
  ): Promise<SignatureVerdict | undefined> {
    if (pattern.signedBy.length > 0) {
      const repository = `${project}/${artifact.repository}`;
      const reference = { registry: pattern.registry, repository, tag: undefined, digest };
      let unread: Failure | undefined;
      const signatures = await breaker.ask(signaturesLane(pattern.registry), signal, (limited) =>
        this.#parts.source.readSignatures(reference, digest, login.credentials, limited, (failure) => {
          unread ??= failure;
        }),
      );
      const verdict = verifyCosign(signatures, digest, pattern.signedBy);
      if (verdict.ok) return undefined;
      // A cache says of what it does not hold that it is not there, also because its upstream does not answer.
      if (isProxied && unread !== undefined) {
        throw new Failure('upstream', unread.message, { detail: 'upstream_unhealthy', cause: unread });
      }
      return { reason: signatures.length === 0 ? 'not_signed' : 'signature_invalid', message: verdict.message };
    }
    const { signed } = pattern;
    if (signed === undefined || hasSignature(signed, (await read()).accessories)) return undefined;
    return { reason: 'not_signed', message: `Harbor knows no ${signed === 'any' ? '' : `${signed} `}signature of it` };
  }

  #readChild(
    { breaker, login, project, artifact }: SignedArtifact,
    digest: string,
    signal: AbortSignal,
  ): Promise<HarborArtifact> {
    return breaker.ask(apiLane(login.host), signal, (limited) =>
      this.#parts.harbor.readArtifact(login, project, artifact.repository, digest, limited),
    );
  }
}

/** Of an index, what nodes of each platform would pull; one child may serve several. */
function childrenOf({ artifact, platforms }: SignedArtifact): { readonly digest: string; readonly platform: string }[] {
  const entries = artifact.children.map(({ digest, os, architecture, variant }) => ({
    digest,
    platform: os === undefined || architecture === undefined ? undefined : { os, architecture, variant },
  }));
  const chosen = new Map<string, string>();
  for (const platform of platforms) {
    const [best] = toPlatformCandidates(parsePlatform(platform), entries);
    if (best !== undefined && !chosen.has(best.digest)) chosen.set(best.digest, platform);
  }
  return [...chosen].map(([digest, platform]) => ({ digest, platform }));
}

function toKey(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
