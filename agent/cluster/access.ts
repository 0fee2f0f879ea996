/** Who the agent is to the API server, and how it gets there: read again when files change, without a connection lost. */

import { untilAborted } from '../core/abort.ts';
import { errorMessage, Failure } from '../core/failure.ts';
import type { ApiConnection, ApiTls, ConnectApi } from './api-connection.ts';
import { createServiceAccountSource, type ServiceAccountSettings } from './service-account.ts';

export interface Identity {
  /** Without a slash at its end; it may have a path. */
  readonly server: string;
  readonly tls: ApiTls;
  /** Who we are, for each request, by lower-case names: never to be shown. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface IdentitySource {
  /** Undefined: the source names none. */
  readonly namespace: string | undefined;
  /** Reads everything again. `refused`: the API server did not take what was read last. @throws Failure */
  read(refused: boolean): Promise<Identity>;
}

/** An identity with the connection for it. */
export interface OpenAccess extends Identity {
  readonly connection: ApiConnection;
}

export interface ClusterAccessSettings {
  /** Undefined: the service account of the pod that this is. */
  readonly kubeconfig: string | undefined;
  readonly serviceAccount?: ServiceAccountSettings;
  readonly connect: ConnectApi;
  /** Files are read again when they were read longer ago; default 60 000, of tokens that live for an hour. */
  readonly rereadMs?: number;
}

/**
 * @throws Failure `other` in words for a user: not in a cluster, no such file, no such context; `auth` when the credentials
 * cannot be had
 */
export async function createClusterAccess(
  settings: ClusterAccessSettings,
  signal: AbortSignal,
): Promise<ClusterAccess> {
  const source =
    settings.kubeconfig === undefined
      ? await createServiceAccountSource(settings.serviceAccount)
      : await loadKubeconfigSource(settings.kubeconfig);
  const access = new ClusterAccess(source, settings.connect, settings.rereadMs ?? 60_000);
  await access.open(signal);
  return access;
}

/** client-node's KubeConfig costs some 45 MiB resident: only who has a kubeconfig pays for it. */
async function loadKubeconfigSource(path: string): Promise<IdentitySource> {
  const { createKubeconfigSource } = await import('./kubeconfig.ts');
  return createKubeconfigSource(path);
}

export class ClusterAccess {
  readonly #source: IdentitySource;
  readonly #connect: ConnectApi;
  readonly #rereadMs: number;
  #current: { readonly open: OpenAccess; readonly fingerprint: string } | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #wasRefused = false;
  #reading: Promise<OpenAccess> | undefined;

  constructor(source: IdentitySource, connect: ConnectApi, rereadMs: number) {
    this.#source = source;
    this.#connect = connect;
    this.#rereadMs = rereadMs;
  }

  get namespace(): string | undefined {
    return this.#source.namespace;
  }

  /** @throws Failure when nothing usable was ever read; an abort throws `signal.reason` */
  async open(signal: AbortSignal): Promise<OpenAccess> {
    const isFresh = performance.now() - this.#readAt < this.#rereadMs && !this.#wasRefused;
    if (this.#current !== undefined && isFresh) return this.#current.open;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return await untilAborted(this.#reading, signal);
  }

  /** The API server did not take it, or its certificate was not trusted: everything is read again before the next request. */
  refuse(open: OpenAccess): void {
    if (open === this.#current?.open) this.#wasRefused = true;
  }

  async close(): Promise<void> {
    await this.#current?.open.connection.destroy();
  }

  async #read(): Promise<OpenAccess> {
    let identity: Identity;
    const known = this.#current;
    try {
      identity = await this.#source.read(this.#wasRefused);
    } catch (error) {
      // The kubelet swaps a folder of files: what was good a minute ago is good enough until it can be read again.
      if (known !== undefined) return known.open;
      if (error instanceof Failure) throw error;
      throw new Failure('other', errorMessage(error), { cause: error });
    }
    this.#readAt = performance.now();
    this.#wasRefused = false;
    const { server, tls } = identity;
    const fingerprint = JSON.stringify([server, tls]);
    const isSame = fingerprint === known?.fingerprint;
    const connection = isSame ? known.open.connection : this.#connect(server, tls);
    if (!isSame) known?.open.connection.retire();
    const open = { ...identity, connection };
    this.#current = { open, fingerprint };
    return open;
  }
}
