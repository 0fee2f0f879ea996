const guardRepository = 'removal.stevedore.invalid/image';

/**
 * A tag that keeps an image while its other names are gone, so that nobody makes a container from one of them. A valid reference that no
 * registry answers to.
 */
export function toGuardName(imageId: string): string {
  return `${guardRepository}:${imageId.slice(imageId.indexOf(':') + 1).slice(0, 32)}`;
}

export function isGuardName(name: string): boolean {
  return name.startsWith(`${guardRepository}:`);
}
