const guardRepository = 'removal.stevedore.invalid/image';

/**
 * A tag that keeps an image while its other names are gone, so that nobody makes a container from one of them. A valid reference that no
 * registry answers to.
 */
export function toGuardName(imageId: string): string {
  return `${guardRepository}:${imageId.slice(imageId.indexOf(':') + 1).slice(0, 32)}`;
}

/** The tag, or the digest name that the containerd image store makes of it. */
export function isGuardName(name: string): boolean {
  return name.startsWith(`${guardRepository}:`) || name.startsWith(`${guardRepository}@`);
}
