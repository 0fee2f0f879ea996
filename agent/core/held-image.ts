/** Whether what a node holds under a desired name is what that name stands for now. Pure. */

import type { DesiredImage } from './desired-images.ts';
import { repositoryOf } from './image-reference.ts';
import type { RuntimeImage } from './node-images.ts';

/** What is published of it says whether it moved: nobody need ask the registry. */
export function isAnswered({ resolved }: Pick<DesiredImage, 'resolved'>): boolean {
  return resolved !== undefined && (resolved.isProxied || resolved.digest !== undefined);
}

/**
 * The name stands for another image now. Behind a proxy cache only the child counts: the digest of one index there changes with the
 * upstream's health.
 * @param remoteDigest what this node's own question to the registry was answered with; what is published comes first
 */
export function hasMoved(
  { reference, resolved }: Pick<DesiredImage, 'reference' | 'resolved'>,
  image: RuntimeImage,
  remoteDigest: string | undefined,
): boolean {
  const repository = repositoryOf(reference);
  if (resolved?.isProxied === true) {
    if (resolved.child === undefined) return false;
    const { digest, imageId, sizeBytes } = resolved.child;
    // Its manifest was not read yet, which would name the image; the index names the child.
    if (sizeBytes === 0 && image.digests.includes(`${repository}@${resolved.digest}`)) return false;
    return image.id !== imageId && image.id !== digest && !image.digests.includes(`${repository}@${digest}`);
  }
  const digest = resolved?.digest ?? remoteDigest;
  return digest !== undefined && !image.digests.includes(`${repository}@${digest}`);
}

/** What is here is itself what the registry does not give out, and not an earlier image of the same name. */
export function isRefused(desired: Pick<DesiredImage, 'reference' | 'resolved'>, image: RuntimeImage): boolean {
  return desired.resolved?.refusal !== undefined && !hasMoved(desired, image, undefined);
}

/** Every name of every image. */
export function indexByName(images: readonly RuntimeImage[]): ReadonlyMap<string, RuntimeImage> {
  const named = new Map<string, RuntimeImage>();
  for (const image of images) for (const name of [...image.tags, ...image.digests]) named.set(name, image);
  return named;
}
