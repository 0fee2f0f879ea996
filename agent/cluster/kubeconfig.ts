/** A kubeconfig file, through client-node: client certificates, tokens, token files, exec plugins, impersonation. */

import { stat } from 'node:fs/promises';
import type { AgentOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { loadYaml } from '@kubernetes/client-node/dist/yaml.js';
import { HttpMethod, RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { errorMessage, Failure } from '../core/failure.ts';
import type { Identity, IdentitySource } from './access.ts';
import { readList, readRecord } from './fields.ts';

/** @throws Failure `other` when the file cannot be read, or its current context has no cluster */
export async function createKubeconfigSource(path: string): Promise<IdentitySource> {
  let loaded = await load(path);
  return {
    namespace: loaded.config.getContextObject(loaded.config.getCurrentContext())?.namespace,

    async read(refused) {
      // A config object keeps what its exec plugin gave until that expires: one that was refused must go.
      if (refused || (await changedAt(path)) !== loaded.changedAt) loaded = await load(path);
      return await toIdentity(loaded.config, path);
    },
  };
}

interface Loaded {
  readonly config: CapturingConfig;
  readonly changedAt: number;
}

/** client-node makes a new connection for each request; of its settings we only want to know the TLS. */
class CapturingConfig extends KubeConfig {
  captured: AgentOptions = {};
  readonly #folder: string;

  constructor(path: string) {
    super();
    this.#folder = dirname(path);
  }

  /** client-node 2.0 looks for `token-file`; what kubectl writes and reads is `tokenFile`. */
  override loadFromString(text: string): void {
    super.loadFromString(text);
    const written = readList(readRecord(loadYaml<unknown>(text))['users']).map(readRecord);
    this.users = this.users.map((user) => {
      const { tokenFile } = readRecord(written.find(({ name }) => name === user.name)?.['user']);
      if (typeof tokenFile !== 'string') return user;
      return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile: resolve(this.#folder, tokenFile) } } };
    });
  }

  override createDispatcherOptions(_cluster: unknown, options: AgentOptions): { type: 'none' } {
    this.captured = options;
    return { type: 'none' };
  }
}

async function load(path: string): Promise<Loaded> {
  const config = new CapturingConfig(path);
  const changed = await changedAt(path);
  try {
    config.loadFromFile(path);
  } catch (error) {
    throw new Failure('other', `the kubeconfig ${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
  const context = config.getCurrentContext();
  if (!context) throw new Failure('other', `the kubeconfig ${path} has no current-context`);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Failure('other', `the kubeconfig ${path} has no context "${context}" with a cluster`);
  if (!config.getCurrentUser())
    throw new Failure('other', `the kubeconfig ${path} has no user for context "${context}"`);
  if (!cluster.server.startsWith('https://')) {
    throw new Failure('other', `the kubeconfig ${path} names ${cluster.server}: only https is spoken`);
  }
  if (cluster.proxyUrl) throw new Failure('other', `the kubeconfig ${path} has a proxy-url: proxies are not supported`);
  return { config, changedAt: changed };
}

async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    throw new Failure('other', `the kubeconfig ${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

async function toIdentity(config: CapturingConfig, path: string): Promise<Identity> {
  const cluster = config.getCurrentCluster();
  const server = (cluster?.server ?? '').replace(/\/+$/, '');
  const context = new RequestContext(server, HttpMethod.GET);
  try {
    await config.applySecurityAuthentication(context);
  } catch (error) {
    throw new Failure('auth', `the kubeconfig ${path} gives no credentials: ${errorMessage(error)}`, { cause: error });
  }
  const { ca, cert, key, servername } = config.captured;
  return {
    server,
    tls: {
      ca: toPem(ca),
      caSource: `the authority of ${path}`,
      cert: toPem(cert),
      key: toPem(key),
      serverName: servername,
      insecureSkipVerify: cluster?.skipTLSVerify ?? false,
    },
    headers: Object.fromEntries(
      Object.entries(context.getHeaders()).map(([name, value]) => [name.toLowerCase(), value.trim()]),
    ),
  };
}

function toPem(value: unknown): string | undefined {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  return typeof value === 'string' ? value : undefined;
}
