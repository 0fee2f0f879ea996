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
  /** What is wrong, without the text itself. */
  readonly rule: string;

  constructor(text: string, rule: string) {
    super(`"${text.length > 120 ? `${text.slice(0, 120)}…` : text}" is not an image reference: ${rule}`);
    this.rule = rule;
  }
}

const pathComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const domain =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::([0-9]+))?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** The algorithms that go-digest knows, and so Docker and containerd take. */
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
/** Docker refuses a name that looks like an image id. */
const imageIdPattern = /^[0-9a-f]{64}$/;
/** distribution's limit for domain and path together. */
const maxNameLength = 255;
/** More than the longest name, tag and digest together. */
const maxTextLength = 600;

/**
 * Parses and normalises a reference.
 * @throws InvalidReferenceError naming the text and the rule that it breaks.
 */
export function parseReference(text: string): ImageReference {
  const fail = (rule: string): never => {
    throw new InvalidReferenceError(text, rule);
  };
  if (text === '') fail('it is empty');
  if (text.length > maxTextLength) fail(`it has more than ${maxTextLength} characters`);
  if (/\s/.test(text)) fail('it contains white space');
  if (text.includes('://')) fail('a reference has no scheme such as https://');

  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!digestPattern.test(digest)) {
      fail('the part after @ must be a digest: sha256: and 64 lower-case hex digits (sha384: 96, sha512: 128)');
    }
  }

  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!tagPattern.test(tag))
      fail('a tag has at most 128 characters out of A-Z a-z 0-9 _ . - and does not start with . or -');
  }

  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const hasHost = canBeHost(first);
  const hostFault = hasHost ? hostSyntaxRule(first) : undefined;
  if (hostFault !== undefined) fail(hostFault);
  const registry = hasHost ? normaliseHost(first) : 'docker.io';
  let repository = hasHost ? rest.slice(slash + 1) : rest;
  if (registry === 'docker.io' && repository !== '' && !repository.includes('/')) repository = `library/${repository}`;

  if (repository === '') fail('the repository name is missing');
  if (repository !== repository.toLowerCase()) fail('the repository name must be lower case');
  if (imageIdPattern.test(text)) fail('64 hex digits are an image id, not a name');
  for (const part of repository.split('/')) {
    if (!pathComponent.test(part)) {
      fail(`"${part}" is not a repository path part (a-z 0-9, single . or _, __ and - between them)`);
    }
  }
  if (registry.length + 1 + repository.length > maxNameLength)
    fail(`registry and repository have more than ${maxNameLength} characters`);
  if (tag === undefined && digest === undefined) tag = 'latest';
  return { registry, repository, tag, digest };
}

/** Of an algorithm that references can have, in lower-case hex digits. */
export function isDigest(text: string): boolean {
  return digestPattern.test(text);
}

/** What keeps a text from being a registry host as references can name it, or undefined. */
export function registryHostRule(host: string): string | undefined {
  if (host.includes('://')) return 'a host has no scheme such as https://';
  if (host.includes('/')) return 'a host has no path';
  const fault = hostSyntaxRule(host);
  if (fault !== undefined) return fault;
  if (host !== host.toLowerCase()) return 'a host must be lower case';
  return canBeHost(host) ? undefined : 'in a reference a host has a dot or a port, or is localhost: add the port';
}

/** Docker Hub goes by one name. */
export function normaliseHost(host: string): string {
  return host === 'index.docker.io' ? 'docker.io' : host;
}

/** How a reference tells a host from the first part of a Docker Hub name. */
function canBeHost(text: string): boolean {
  return /[.:]/.test(text) || text === 'localhost';
}

function hostSyntaxRule(host: string): string | undefined {
  const match = domain.exec(host);
  if (match === null) return `"${host}" is not a host with an optional port`;
  const port = match[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535) ? undefined : 'a port is 1 to 65535';
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

/** A normalised name without its tag or digest; a name that is no reference is cut in the same places. */
export function repositoryOf(name: string): string {
  const digest = name.indexOf('@');
  const text = digest < 0 ? name : name.slice(0, digest);
  const tag = text.indexOf(':', text.lastIndexOf('/') + 1);
  return tag < 0 ? text : text.slice(0, tag);
}
