/** Registry credentials, and which of them belong to an image: the kubelet's matching. */

import { inspect } from 'node:util';
import picomatch from 'picomatch';
import type { ImageReference } from './image-reference.ts';

export type ImageName = Pick<ImageReference, 'registry' | 'repository'>;

/** A user name and password that show in no log, error, JSON or inspection: only `reveal()` gives the secret. */
export class Credential {
  readonly #password: string;
  readonly username: string;
  /** The host that it may be given to, with its port: `harbor.example.com`, `cache.lan:5000`. */
  readonly host: string;

  constructor(host: string, username: string, password: string) {
    this.host = host;
    this.username = username;
    this.#password = password;
  }

  reveal(): string {
    return this.#password;
  }

  toString(): string {
    return `credential of ${this.username} for ${this.host}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** What a file says: a login, and the location (host with optional port and path, `*` and `?` in host labels) that it is for. */
export interface CredentialEntry {
  /** As written: `harbor.example.com/proj`, `https://index.docker.io/v1/`, `*.example.com`. */
  readonly location: string;
  /** Its `host` is not looked at: matching gives it the host of the image. */
  readonly login: Credential;
}

/** The key under which `docker login` without a host keeps Docker Hub's credentials. */
const dockerHubKey = 'index.docker.io';

/**
 * The credentials that may open an image, in the order in which they are to be tried, each made out to the image's own
 * registry host. Kubernetes, `pkg/credentialprovider/keyring.go`: all matching locations in reverse lexical order (a longer
 * path before a shorter one); where none matches, an image of Docker Hub takes what is stored for `index.docker.io`.
 */
export function matchCredentials(entries: readonly CredentialEntry[], image: ImageName): Credential[] {
  const keyed = entries.map(({ location, login }) => ({ key: toLocationKey(location), login }));
  keyed.sort((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
  let matches = keyed.filter(({ key }) => keyMatches(key, image));
  if (matches.length === 0 && image.registry === 'docker.io') matches = keyed.filter(({ key }) => key === dockerHubKey);
  return matches.map(({ login }) => new Credential(image.registry, login.username, login.reveal()));
}

/** Host and path of a location: without scheme, user, query, and the `/v1` or `/v2` of an old API address. */
function toLocationKey(location: string): string {
  const address = location.replace(/^https?:\/\//, '').replace(/#.*$/s, '');
  const slash = address.indexOf('/');
  const authority = slash < 0 ? address : address.slice(0, slash);
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  let path = slash < 0 ? '' : address.slice(slash);
  if (path.startsWith('/v1/') || path.startsWith('/v2/')) path = path.slice(3);
  return path === '/' ? host : host + path;
}

function keyMatches(key: string, image: ImageName): boolean {
  const slash = key.indexOf('/');
  const pattern = splitPort(slash < 0 ? key : key.slice(0, slash));
  const path = slash < 0 ? '' : key.slice(slash);
  const target = splitPort(image.registry);
  return (
    pattern.port === target.port &&
    pattern.labels.length === target.labels.length &&
    `/${image.repository}`.startsWith(path) &&
    pattern.labels.every((label, index) => matchesGlob(label, target.labels[index] ?? ''))
  );
}

function splitPort(host: string): { labels: string[]; port: string } {
  const found = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(host);
  return { labels: (found?.[1] ?? host).split('.'), port: found?.[2] ?? '' };
}

/** As Go's `path.Match` on one host label: `*`, `?`, `[a-z]`, `[^a-z]`, `\\x`; no braces, no negation, no `**`. */
function matchesGlob(pattern: string, label: string): boolean {
  if (pattern === label) return true;
  // What means something to picomatch alone, such as (a|b), is no host label; nor is nothing (`a..b`), at which it throws.
  if (pattern === '' || /[^\w*?[\]^\\:%-]/.test(pattern)) return false;
  const options = { dot: true, nobrace: true, noextglob: true, nonegate: true, noglobstar: true };
  return picomatch(pattern, options)(label);
}
