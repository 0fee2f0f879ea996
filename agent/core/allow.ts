/** What `prefetch.allow` lets an image set ask for. */

import { type ImageReference, parseReference, repositoryName } from './image-reference.ts';
import { matchesGlob } from './reference-glob.ts';

/**
 * Whether an image may be pulled. A glob matches the normalised name without tag and digest, or with the tag, or, where the
 * reference has a digest, with the digest instead: the digest decides what is pulled, so the tag beside it proves nothing.
 *
 * Without `allow` the hosts in `registries` are allowed. With neither nothing was restricted, and every registry is allowed.
 *
 * @throws InvalidReferenceError where `reference` is none.
 */
export function isAllowed(
  reference: string,
  allow: readonly string[] | undefined,
  registryHosts: readonly string[],
): boolean {
  const parsed = parseReference(reference);
  if (allow === undefined) return registryHosts.length === 0 || registryHosts.includes(parsed.registry);
  return matchesGlob(allow, namesOf(parsed));
}

function namesOf(reference: ImageReference): readonly string[] {
  const name = repositoryName(reference);
  return reference.digest === undefined ? [name, `${name}:${reference.tag}`] : [name, `${name}@${reference.digest}`];
}
