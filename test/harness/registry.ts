/**
 * A real docker-registry (Debian's, CNCF Distribution 2.8) behind a proxy of ours that counts every request and byte, and breaks
 * what a test wants broken.
 */

import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Folder, makeFolder } from './folder.ts';
import type { BuiltImage, BuiltIndex } from './images.ts';
import { type Daemon, runTool, startDaemon } from './process.ts';
import { pushImage, putManifest } from './push.ts';
import { type RegistryFaults, type RegistryRequest, startProxy } from './registry-proxy.ts';

export type { RegistryFaults, RegistryRequest } from './registry-proxy.ts';

export interface RegistryOptions {
  /** With `password`: the registry asks for basic authentication (or for a token, see `token`). */
  readonly user?: string;
  readonly password?: string;
  /** Ask for a bearer token instead, given by `/token` on the same host to whoever has user and password. */
  readonly token?: boolean;
  /** PEM. Without: plain http. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface PushedImage {
  readonly repository: string;
  readonly tag: string;
  /** Of the manifest or index. */
  readonly digest: string;
  /** `host/repository:tag` */
  readonly reference: string;
  /** `host/repository@digest` */
  readonly digestReference: string;
}

export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly folder: string;
  /** Of clients, oldest first; what `push` does is not in it. Clear it with `requests.length = 0`. */
  readonly requests: RegistryRequest[];
  /** Change its fields at any time; they hold for what is sent from then on. */
  readonly faults: RegistryFaults;
  /** Body bytes sent for a blob or manifest in all requests; what the kernel had buffered when a client left is counted. */
  bytesOf(digest: string): number;
  /** Nobody answers, open connections break. */
  stop(): Promise<void>;
  /** Same port, same content. */
  start(): Promise<void>;
  remove(): Promise<void>;
  push(repository: string, tag: string, image: BuiltImage | BuiltIndex): Promise<PushedImage>;
  /** Lets a tag point at a manifest that the repository already holds. */
  moveTag(repository: string, tag: string, digest: string): Promise<void>;
  /** The manifest stays reachable by digest. */
  deleteTag(repository: string, tag: string): Promise<void>;
}

export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const folder = await makeFolder('stv-r');
  try {
    return await startIn(folder, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startIn(folder: Folder, options: RegistryOptions): Promise<TestRegistry> {
  const { user, password } = options;
  const login = user === undefined || password === undefined ? undefined : { user, password };
  const daemon = await startBackend(folder, options.token ? undefined : login);
  const port = await readPort(daemon);
  const proxy = await startProxy({
    backendPort: port,
    tls: options.tls,
    tokenLogin: options.token ? login : undefined,
  });
  const host = `127.0.0.1:${proxy.port}`;
  const target = {
    origin: `http://127.0.0.1:${port}`,
    authorization: login === undefined ? undefined : toBasic(login.user, login.password),
  };
  return {
    host,
    folder: folder.path,
    requests: proxy.requests,
    faults: proxy.faults,
    bytesOf: (digest) =>
      proxy.requests.reduce((sum, { path, bytes }) => (path.endsWith(`/${digest}`) ? sum + bytes : sum), 0),
    stop: proxy.stop,
    start: proxy.start,
    async remove() {
      await proxy.stop();
      await daemon.stop();
      await folder.remove();
    },
    async push(repository, tag, image) {
      const digest = await pushImage(target, repository, tag, image);
      const name = `${host}/${repository}`;
      return { repository, tag, digest, reference: `${name}:${tag}`, digestReference: `${name}@${digest}` };
    },
    moveTag: (repository, tag, digest) => putManifest(target, repository, tag, digest),
    // Distribution 2.8 has no call for it (a DELETE by tag is refused): the tag is a folder of its storage.
    deleteTag: (repository, tag) =>
      rm(join(folder.path, 'storage/docker/registry/v2/repositories', repository, '_manifests/tags', tag), {
        recursive: true,
      }),
  };
}

async function startBackend(folder: Folder, login: { user: string; password: string } | undefined): Promise<Daemon> {
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder.path, 'storage') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    // Port 0: the kernel picks a free one, the log says which.
    http: { addr: '127.0.0.1:0', relativeurls: true, secret: 'test' },
    ...(login === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: await writeHtpasswd(folder, login) } } }),
  };
  const path = join(folder.path, 'registry.yml');
  await writeFile(path, JSON.stringify(config));
  return startDaemon({
    name: 'registry',
    command: 'docker-registry',
    args: ['serve', path],
    folder: folder.path,
    // It exports traces to nowhere otherwise, and environment variables of this prefix change its configuration.
    env: { OTEL_TRACES_EXPORTER: 'none' },
    ready: (log) => log.includes('listening on'),
    graceMs: 2_000,
  });
}

/** The registry takes bcrypt only; perl's crypt (Debian's libxcrypt) makes it. */
async function writeHtpasswd(folder: Folder, { user, password }: { user: string; password: string }): Promise<string> {
  const salt = `$2b$05$${randomBytes(16).toString('hex').slice(0, 21)}u`;
  const hash = await runTool('perl', ['-e', 'print crypt($ENV{PASSWORD}, $ENV{SALT})'], {
    env: { PASSWORD: password, SALT: salt },
  });
  const path = join(folder.path, 'htpasswd');
  await writeFile(path, `${user}:${hash}\n`, { mode: 0o600 });
  return path;
}

async function readPort(daemon: Daemon): Promise<number> {
  const port = /listening on [^\s"]*:(\d+)/.exec(await daemon.log())?.[1];
  if (port === undefined) throw new Error('docker-registry did not say where it listens');
  return Number(port);
}

function toBasic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
