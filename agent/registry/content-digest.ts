/** Digests of content (OCI image specification 1.1, "Digests"): the two algorithms that can be checked here. */

import { createHash, type Hash } from 'node:crypto';
import { Failure } from '../core/failure.ts';

export const contentDigestPattern = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;

/** A hash that is fed piece by piece. @throws Failure `other` where the algorithm cannot be checked */
export function createContentHash(digest: string, subject: string): Hash {
  const [algorithm = ''] = digest.split(':');
  if (algorithm !== 'sha256' && algorithm !== 'sha512') {
    throw new Failure('other', `${subject}: digests of the kind ${algorithm} cannot be checked`);
  }
  return createHash(algorithm);
}

/**
 * Harbor cuts a proxied blob short without an error when its upstream breaks off: only the digest shows it.
 * @throws Failure `upstream` (`digest_mismatch`)
 */
export function checkContentHash(hash: Hash, digest: string, subject: string): void {
  if (`${digest.slice(0, digest.indexOf(':'))}:${hash.digest('hex')}` !== digest) {
    throw toMismatch(`the registry sends other bytes than the digest of ${subject} says`);
  }
}

export function checkContent(bytes: Buffer, digest: string, subject: string): void {
  checkContentHash(createContentHash(digest, subject).update(bytes), digest, subject);
}

export function toMismatch(message: string): Failure {
  return new Failure('upstream', message, { detail: 'digest_mismatch' });
}

export function toSha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
