/** What Kubernetes lets be a label key, a label value and an image set's name; each returns the broken rule or undefined. */

const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const subdomainPart = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const longestName = 63;
const longestPrefix = 253;

/** A qualified name: an optional DNS subdomain and `/`, then a name. */
export function labelKeyRule(key: string): string | undefined {
  const slash = key.indexOf('/');
  if (slash >= 0 && !isSubdomain(key.slice(0, slash))) {
    return `the part of a label key before / must be a DNS name in lower case of at most ${longestPrefix} characters`;
  }
  return nameRule(key.slice(slash + 1), slash < 0 ? 'a label key' : 'the part of a label key after /');
}

/** The labels `image-set.stevedore.dev/<name>` tell the state of the sets: no set can depend on them. */
export const imageSetLabelPrefix = 'image-set.stevedore.dev/';

/** A selector on what its own outcome changes would switch its set on and off for ever. */
export function ownLabelRule(key: string): string | undefined {
  if (!key.startsWith(imageSetLabelPrefix)) return undefined;
  return `Stevedore writes this label itself: no selector may use the prefix ${imageSetLabelPrefix}`;
}

/** A label value may be empty, a name may not. */
export function labelValueRule(value: string): string | undefined {
  return value === '' ? undefined : nameRule(value, 'a label value');
}

/** An image set's name becomes the name part of a node label. */
export function imageSetNameRule(name: string): string | undefined {
  return nameRule(name, 'an image set name');
}

function nameRule(name: string, what: string): string | undefined {
  if (name.length > longestName) return `${what} must have at most ${longestName} characters`;
  if (namePattern.test(name)) return undefined;
  return `${what} must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit`;
}

function isSubdomain(text: string): boolean {
  return text.length <= longestPrefix && text.split('.').every((part) => subdomainPart.test(part));
}
