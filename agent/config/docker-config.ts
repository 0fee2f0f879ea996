/** Parsing of docker config files (`.dockerconfigjson`) as the kubelet reads them. Messages name entries, never content. */

import { Credential, type CredentialEntry } from '../core/credentials.ts';

export interface CredentialProblem {
  readonly file: string;
  /** As a sentence without a full stop: what must hold, and what is there instead. */
  readonly rule: string;
}

export interface DockerConfig {
  readonly entries: readonly CredentialEntry[];
  readonly problems: readonly CredentialProblem[];
}

/**
 * Reads `auths`: base64 `auth` (padded or not, split at its first colon) wins over `username` and `password`. An entry that is
 * broken is reported and the others are used. Identity tokens and credential helpers are reported: a node agent
 * cannot use them, and neither does the kubelet.
 */
export function parseDockerConfig(text: string, file: string): DockerConfig {
  const problem = (rule: string): CredentialProblem => ({ file, rule });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { entries: [], problems: [problem('must be JSON')] };
  }
  if (!isRecord(document)) return { entries: [], problems: [problem('must be a JSON object with the key "auths"')] };

  const problems: CredentialProblem[] = [];
  for (const key of ['credsStore', 'credHelpers']) {
    if (document[key] !== undefined) problems.push(problem(`"${key}" has no effect: credential helpers are not run`));
  }
  const auths = document['auths'];
  if (!isRecord(auths)) {
    return { entries: [], problems: [...problems, problem('must have the key "auths" with an object of registries')] };
  }
  const entries: CredentialEntry[] = [];
  for (const [location, value] of Object.entries(auths)) {
    const login = toLogin(location, value);
    if (login instanceof Credential) entries.push({ location, login });
    else problems.push(problem(`auths["${location.replace(/[^/@]*@/, '')}"] ${login}`));
  }
  return { entries, problems };
}

/** The login, or the rule that the entry breaks. */
function toLogin(location: string, value: unknown): Credential | string {
  if (!isRecord(value)) return 'must be an object with "auth", or "username" and "password"';
  const { auth, username, password } = value;
  if (auth !== undefined && auth !== '')
    return typeof auth === 'string' ? decodeAuth(location, auth) : '.auth must be a string';
  if (typeof username === 'string' && username !== '' && typeof password === 'string') {
    return new Credential(location, username, password);
  }
  if (value['identitytoken'] !== undefined)
    return 'holds only an identity token, which cannot be used: give "auth", or "username" and "password"';
  return 'must have "auth", or "username" and "password"';
}

function decodeAuth(location: string, auth: string): Credential | string {
  const base64 = auth.trim();
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return '.auth must be base64 of "username:password"';
  const decoded = Buffer.from(base64, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return '.auth must be base64 of "username:password", but has no colon';
  return new Credential(location, decoded.slice(0, colon), decoded.slice(colon + 1));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
