/** Where a registry is, and which hosts may see its credentials. */

import { Failure } from '../core/failure.ts';

/** What a user says of one registry; the shape of `RegistrySettings` in the configuration. */
export interface EndpointSettings {
  /** As in references: `harbor.example.com`, `cache.lan:5000`, `docker.io`. */
  readonly host: string;
  readonly plainHTTP: boolean;
  readonly insecureSkipVerify: boolean;
  readonly caFile: string | undefined;
  readonly tokenHosts: readonly string[];
  /** It is a Harbor: its tokens are for whole projects, and it can say whether a credential is valid. */
  readonly harbor?: boolean;
}

export interface Endpoint extends EndpointSettings {
  /** Where requests go: `https://harbor.example.com/`. */
  readonly base: URL;
}

/** Docker Hub's API and token service are not on the host that its references name. */
const dockerHub = { api: 'registry-1.docker.io', tokenHost: 'auth.docker.io' };

/** A host that nobody configured is spoken to over TLS with the system's authorities. */
export function toEndpoint(host: string, settings: readonly EndpointSettings[]): Endpoint {
  const found = settings.find((one) => one.host === host);
  const isHub = host === 'docker.io';
  const plainHTTP = found?.plainHTTP ?? false;
  return {
    host,
    plainHTTP,
    insecureSkipVerify: found?.insecureSkipVerify ?? false,
    caFile: found?.caFile,
    tokenHosts: [...(found?.tokenHosts ?? []), ...(isHub ? [dockerHub.tokenHost] : [])],
    harbor: found?.harbor ?? false,
    base: new URL(`${plainHTTP ? 'http' : 'https'}://${isHub ? dockerHub.api : host}/`),
  };
}

/** Same scheme, host and port: only then a credential may go along. */
export function isSameOrigin(one: URL, other: URL): boolean {
  return one.origin === other.origin;
}

/**
 * The token service that a challenge names, if the credential rules allow to ask it. On the registry's own host plain http
 * is allowed only where the registry is plain http itself. On another host TLS is required, and with a credential also that `tokenHosts`
 * names it: whoever controls the challenge could otherwise collect passwords.
 * @throws Failure `auth`, detail `token_realm`
 */
export function toTokenService(endpoint: Endpoint, realm: string, withCredential: boolean): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (
    url === undefined ||
    (url.protocol !== 'https:' && url.protocol !== 'http:') ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw toRealmFailure(`${endpoint.host} names a token service that is not an http address`);
  }
  const isSecure = url.protocol === 'https:';
  if (!isSecure && !endpoint.plainHTTP) {
    throw toRealmFailure(
      `${endpoint.host} is reached over TLS but names the plain http token service ${url.origin}: nothing is sent there. ` +
        'The registry has to be told its external https address',
    );
  }
  if (isSameOrigin(url, endpoint.base) || isUpgradeOf(endpoint.base, url)) return url;
  if (!isSecure) {
    throw toRealmFailure(
      `${endpoint.host} names the plain http token service ${url.origin} on another host: nothing is sent there`,
    );
  }
  if (
    withCredential &&
    !endpoint.tokenHosts.some((host) => host === url.host || host === `${url.hostname}:${url.port || '443'}`)
  ) {
    throw toRealmFailure(
      `${endpoint.host} names the token service ${url.host}, which is another host: ` +
        `credentials go there only when "tokenHosts" of the registry names it`,
    );
  }
  return url;
}

function toRealmFailure(message: string): Failure {
  return new Failure('auth', message, { detail: 'token_realm' });
}

/** The same host with the default ports of http and https: what a registry behind a TLS front door says. */
function isUpgradeOf(base: URL, url: URL): boolean {
  return (
    base.protocol === 'http:' &&
    url.protocol === 'https:' &&
    base.hostname === url.hostname &&
    base.port === '' &&
    url.port === ''
  );
}
