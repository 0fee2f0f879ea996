/** undici's connections to one registry: its own authority, and proxies from the environment. */

import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { EnvHttpProxyAgent } from 'undici';
import { Failure } from '../core/failure.ts';
import type { Endpoint } from './endpoint.ts';

export interface ConnectionSettings {
  /** Until the connection and its TLS stand. */
  readonly connectMs: number;
  /** Without a response header, or without a byte of the body. */
  readonly idleMs: number;
  /** To one host. */
  readonly connections: number;
}

interface Connection {
  readonly dispatcher: EnvHttpProxyAgent;
  readonly fingerprint: string;
}

export class Connections {
  readonly #settings: ConnectionSettings;
  readonly #onInsecure: (host: string) => void;
  readonly #all = new Map<string, Connection>();

  constructor(settings: ConnectionSettings, onInsecure: (host: string) => void) {
    this.#settings = settings;
    this.#onInsecure = onInsecure;
  }

  /**
   * Connections are kept until the settings or the authority's file change; requests under way finish on the old ones.
   * @throws Failure `tls` (`tls_ca`) where the authority's file cannot be used
   */
  async to(endpoint: Endpoint, alwaysVerify: boolean): Promise<EnvHttpProxyAgent> {
    const isVerified = alwaysVerify || !endpoint.insecureSkipVerify;
    const key = `${endpoint.host} ${isVerified}`;
    const { caFile } = endpoint;
    const fingerprint = caFile === undefined ? '' : `${caFile} ${await fingerprintOf(caFile)}`;
    const known = this.#all.get(key);
    if (known?.fingerprint === fingerprint) return known.dispatcher;

    const authority = caFile === undefined ? undefined : await readAuthority(caFile);
    const existing = this.#all.get(key);
    if (existing?.fingerprint === fingerprint) return existing.dispatcher;
    if (!isVerified) this.#onInsecure(endpoint.host);
    const dispatcher = createDispatcher(isVerified, authority, this.#settings);
    this.#all.set(key, { dispatcher, fingerprint });
    void existing?.dispatcher.close().catch(() => undefined);
    return dispatcher;
  }

  async close(): Promise<void> {
    const all = [...this.#all.values()];
    this.#all.clear();
    await Promise.all(all.map(({ dispatcher }) => dispatcher.destroy()));
  }
}

function createDispatcher(
  rejectUnauthorized: boolean,
  secureContext: SecureContext | undefined,
  { connectMs, idleMs, connections }: ConnectionSettings,
): EnvHttpProxyAgent {
  const tls = { rejectUnauthorized, ...(secureContext === undefined ? {} : { secureContext }) };
  return new EnvHttpProxyAgent({
    connections,
    pipelining: 1,
    allowH2: false,
    connectTimeout: connectMs,
    headersTimeout: idleMs,
    bodyTimeout: idleMs,
    connect: { timeout: connectMs, ...tls },
    requestTls: tls,
  });
}

async function fingerprintOf(caFile: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(caFile, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    throw new Failure('tls', `the CA file ${caFile} cannot be read`, { detail: 'tls_ca', cause: error });
  }
}

/**
 * The file's authority beside the system's, as containerd and Docker have it. One context for all connections: with a list of
 * authorities Node would parse every one of them again for each connection, some 25 ms and 1.5 MB.
 */
async function readAuthority(caFile: string): Promise<SecureContext> {
  const unusable = (why: string, cause?: unknown) =>
    new Failure('tls', `the CA file ${caFile} ${why}`, { detail: 'tls_ca', cause });
  let text: string;
  try {
    text = await readFile(caFile, 'utf8');
  } catch (error) {
    throw unusable('cannot be read', error);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw unusable('holds no PEM certificate');
  try {
    return createSecureContext({ ca: [...getCACertificates('default'), text] });
  } catch (error) {
    throw unusable('holds a certificate that cannot be read', error);
  }
}
