/**
 * Image references, normalised as Docker and containerd do it (distribution's reference grammar): short names get
 * `docker.io` and `library/`, a name with neither tag nor digest gets `:latest`.
 */

export interface ImageReference {
  /** Host with optional port, `docker.io` for short names. */
  readonly registry: string;
  /** Path below the registry, without tag and digest: `library/busybox`. */
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:…`; where a tag is given as well, the digest decides what is pulled. */
  readonly digest: string | undefined;
}

export class InvalidReferenceError extends Error {
  override readonly name = 'InvalidReferenceError';
}

const pathComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const domain =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const sha256Pattern = /^sha256:[0-9a-f]{64}$/;
/** distribution's limit for domain and path together. */
const maxNameLength = 255;

/**
 * Parses and normalises a reference.
 * @throws InvalidReferenceError naming the text and the rule that it breaks.
 */
export function parseReference(text: string): ImageReference {
  const fail = (rule: string): never => {
    throw new InvalidReferenceError(`"${text}" is not an image reference: ${rule}`);
  };
  if (text === '') fail('it is empty');
  if (/\s/.test(text)) fail('it contains white space');
  if (text.includes('://')) fail('a reference has no scheme such as https://');

  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!digestPattern.test(digest)) fail('the part after @ must be a digest such as sha256:<64 hex digits>');
    if (digest.startsWith('sha256:') && !sha256Pattern.test(digest)) fail('a sha256 digest has 64 lower-case hex digits');
  }

  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!tagPattern.test(tag)) fail('a tag has at most 128 characters out of A-Z a-z 0-9 _ . - and does not start with . or -');
  }

  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const hasDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let registry = hasDomain ? first : 'docker.io';
  let repository = hasDomain ? rest.slice(slash + 1) : rest;
  if (hasDomain && !domain.test(first)) fail(`"${first}" is not a host with an optional port`);
  if (registry === 'index.docker.io') registry = 'docker.io';
  if (registry === 'docker.io' && repository !== '' && !repository.includes('/')) repository = `library/${repository}`;

  if (repository === '') fail('the repository name is missing');
  if (repository !== repository.toLowerCase()) fail('the repository name must be lower case');
  for (const part of repository.split('/')) {
    if (!pathComponent.test(part)) {
      fail(`"${part}" is not a repository path part (a-z 0-9, single . or _, __ and - between them)`);
    }
  }
  if (registry.length + 1 + repository.length > maxNameLength) fail(`registry and repository have more than ${maxNameLength} characters`);
  if (tag === undefined && digest === undefined) tag = 'latest';
  return { registry, repository, tag, digest };
}

/** `registry/repository`, without tag and digest. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The full normalised text, with tag and digest where both were given. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${repositoryName(reference)}${tag}${digest}`;
}

/** What a runtime stores it under: by digest where there is one, since Docker and containerd drop the tag then. */
export function storedName(reference: ImageReference): string {
  const name = repositoryName(reference);
  return reference.digest === undefined ? `${name}:${reference.tag ?? 'latest'}` : `${name}@${reference.digest}`;
}

/** Parses and formats in one step. @throws InvalidReferenceError */
export function normaliseReference(text: string): string {
  return formatReference(parseReference(text));
}
