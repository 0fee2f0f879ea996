import type { DesiredImage } from '../core/desired-images.ts';

/**
 * What pulls brought for what was published then. A tag may have moved on since it was published: pulling it again would bring the same, round after round,
 * until the coordinator has seen it too.
 */
export class SettledPulls {
  readonly #settled = new Map<string, { readonly published: string; readonly imageId: string }>();

  pulled(image: DesiredImage, imageId: string): void {
    const published = toPublished(image);
    if (published === undefined) this.#settled.delete(image.reference);
    else this.#settled.set(image.reference, { published, imageId });
  }

  /** The images without a question whether they have moved, where a pull has answered it already. */
  apply(desired: readonly DesiredImage[], idOf: (reference: string) => string | undefined): readonly DesiredImage[] {
    return desired.map((image) => {
      const settled = this.#settled.get(image.reference);
      if (settled === undefined || settled.published !== toPublished(image)) return image;
      return settled.imageId === idOf(image.reference) ? { ...image, refreshEveryMs: undefined } : image;
    });
  }

  retain(references: ReadonlySet<string>): void {
    for (const reference of this.#settled.keys()) if (!references.has(reference)) this.#settled.delete(reference);
  }
}

function toPublished({ resolved }: DesiredImage): string | undefined {
  return resolved?.isProxied === true ? resolved.child?.digest : resolved?.digest;
}
