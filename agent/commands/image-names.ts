/** Digest names say little to people: they are shown only where an image has no tag, and its id where it has no name at all. */

interface NamedImage {
  readonly imageId: string;
  readonly names: readonly string[];
}

/** Every tag. */
export function toImageNames(image: NamedImage): string {
  return shownNames(image).join(', ');
}

/** The first tag, and how many more there are: `r/app:1 (+2)`. */
export function toImageName(image: NamedImage): string {
  const [first = '', ...more] = shownNames(image);
  return more.length === 0 ? first : `${first} (+${more.length})`;
}

function shownNames({ imageId, names }: NamedImage): readonly string[] {
  const tags = names.filter((name) => !name.includes('@'));
  if (tags.length > 0) return tags;
  const [digest = `<none> ${imageId}`] = names;
  return [digest];
}
