/**
 * Registry credentials from mounted files: `dockerconfigjson` files and pairs of user name and password files. Files are looked at
 * on every use and read again when they changed (a Secret's `..data` link is swapped, a file is replaced or rewritten), so that
 * a rotated password takes effect on the next pull. A broken file never stops the others, and no message carries content.
 */

import { readFile, stat } from 'node:fs/promises';
import type { CredentialSource } from '../core/configuration.ts';
import { Credential, type CredentialEntry, type ImageName, matchCredentials } from '../core/credentials.ts';
import type { Logger } from '../core/logger.ts';
import { type CredentialProblem, parseDockerConfig } from './docker-config.ts';

export type { CredentialProblem } from './docker-config.ts';

export interface CredentialStore {
  /**
   * The credentials that may open the image, in the order to try them: the groups in the order given (an image set's own
   * before the agent-wide ones), inside a group as the kubelet orders them. No doubles. Never rejects.
   */
  credentialsFor(image: ImageName, groups: readonly (readonly CredentialSource[])[]): Promise<Credential[]>;

  /** What is wrong with the files now, for those that were asked for so far. */
  problems(): readonly CredentialProblem[];
}

/** A password file or docker config beyond this is a mistake in the path. */
const maxFileBytes = 1024 * 1024;

interface SourceState {
  readonly fingerprint: string;
  readonly entries: readonly CredentialEntry[];
  readonly problems: readonly CredentialProblem[];
}

export function createCredentialStore(log: Pick<Logger, 'warn'>): CredentialStore {
  const states = new Map<string, SourceState>();

  async function entriesOf(source: CredentialSource): Promise<readonly CredentialEntry[]> {
    const key = JSON.stringify(source);
    const files = source.kind === 'dockerconfig' ? [source.file] : [source.usernameFile, source.passwordFile];
    const fingerprint = (await Promise.all(files.map(fingerprintOf))).join('|');
    const known = states.get(key);
    if (known?.fingerprint === fingerprint) return known.entries;

    const { entries, problems } =
      source.kind === 'dockerconfig' ? await readDockerConfig(source.file) : await readPair(source);
    for (const { file, rule } of problems) log.warn({ file, rule }, 'credential file not usable');
    states.set(key, { fingerprint, entries, problems });
    return entries;
  }

  return {
    async credentialsFor(image, groups) {
      const matched = await Promise.all(
        groups.map(async (sources) => matchCredentials((await Promise.all(sources.map(entriesOf))).flat(), image)),
      );
      return withoutDoubles(matched.flat());
    },
    problems: () => [...states.values()].flatMap(({ problems }) => problems),
  };
}

/** Follows links, so that the swap of a Secret's `..data` link shows as another inode. */
async function fingerprintOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    return errorCode(error);
  }
}

async function readDockerConfig(file: string): Promise<Omit<SourceState, 'fingerprint'>> {
  const text = await readText(file);
  return typeof text === 'string' ? parseDockerConfig(text, file) : { entries: [], problems: [text] };
}

async function readPair(source: CredentialSource & { kind: 'files' }): Promise<Omit<SourceState, 'fingerprint'>> {
  const [username, password] = await Promise.all([readText(source.usernameFile), readText(source.passwordFile)]);
  if (typeof username !== 'string' || typeof password !== 'string') {
    return { entries: [], problems: [username, password].filter((one) => typeof one !== 'string') };
  }
  const login = new Credential(source.host, withoutLineEnd(username), withoutLineEnd(password));
  const problems: CredentialProblem[] = [];
  if (login.username === '') problems.push({ file: source.usernameFile, rule: 'must hold a user name, but is empty' });
  if (login.reveal() === '') problems.push({ file: source.passwordFile, rule: 'must hold a password, but is empty' });
  return { entries: problems.length > 0 ? [] : [{ location: source.host, login }], problems };
}

async function readText(file: string): Promise<string | CredentialProblem> {
  try {
    const { size } = await stat(file);
    if (size > maxFileBytes) return { file, rule: `must not be larger than ${maxFileBytes} bytes, but has ${size}` };
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return { file, rule: 'must exist, but there is no such file' };
    return { file, rule: `must be a readable file, but reading it fails with ${code}` };
  }
}

/** Editors and `echo` end a file with a line end that belongs to no password. */
function withoutLineEnd(text: string): string {
  return text.replace(/[\r\n]+$/, '');
}

function withoutDoubles(credentials: readonly Credential[]): Credential[] {
  return credentials.filter(
    (one, index) =>
      credentials.findIndex((other) => other.username === one.username && other.reveal() === one.reveal()) === index,
  );
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'an unknown error';
}
