/**
 * A Kubernetes API server in this process, as strict as the real one where an agent depends on it.
 *
 *     const server = await startApiServer({ rules: [{ user: agent, verbs: ['get', 'list', 'watch'], groups: [''], resources: ['nodes'] }] });
 *     server.put('nodes', { metadata: { name: 'n1', labels: { gpu: 'yes' } } });
 *     server.put('configmaps', { metadata: { name: 'stevedore', namespace: 'stevedore' }, data: { 'config.yaml': '…' } });
 *     server.load(await readFile('rbac.yaml', 'utf8'));                  // Roles and bindings become rules
 *     server.admission = ownNodePolicy();
 *     const token = server.issueToken({ user: agent, node: 'n1' });      // server.kubeconfig(token), server.url, server.ca
 *     …
 *     server.patch('nodes', 'n1', { metadata: { labels: { gpu: null } } });   // watchers see it
 *     server.get('nodes', 'n1')?.status?.conditions;
 *     server.requests.filter(({ verb }) => verb === 'watch');            // and server.connections, server.watches
 *     server.faults.answers.push({ answer: 500, verb: 'watch', after: 1, times: 2 });
 *     server.cutConnections(); server.endWatches(); server.silenceWatches(); server.compact(); await server.restart();
 *     server.stop();                                                     // and await server.start() on the same port
 *     await server.remove();
 *
 * Compared with kube-apiserver 1.36.3, request by request: the same status everywhere, and the same body but for this. Decoding
 * mistakes are in JavaScript's words, and each mistake is in `details.causes` once. There is no server-side apply, `managedFields`,
 * YAML, table or protobuf, no watch of metadata alone, no deletecollection, finalizing or garbage collection, no discovery, and no admission but
 * the hook: a new Node gets no `not-ready` taint. Events are not shared with the core group. A PUT that creates asks for `update` only.
 * An access review does not say by which binding. A continue token is as old as its history, never older: the real one may remember more.
 * Bookmarks come in equal steps, also where nothing was ever written (the real one can then leave out the one before the end).
 */

import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { type Admin, makeAdmin } from './admin.ts';
import type { Admission } from './admission.ts';
import { parseManifests, type Rule, toRules } from './authorization.ts';
import { makeCertificates } from './certificates.ts';
import { Connections } from './connections.ts';
import { type ApiServerFaults, makeFaults } from './faults.ts';
import { Handler } from './handler.ts';
import type { AnyRequest, ApiRequest } from './request-log.ts';
import { Store } from './store.ts';
import { type TokenOptions, Tokens } from './tokens.ts';
import type { WatchStream } from './watch-stream.ts';

export type { Admission, AdmissionRequest, Denial, OwnNodePolicy } from './admission.ts';
export { ownNodePolicy } from './admission.ts';
export type { Rule } from './authorization.ts';
export type { ApiServerFaults, PlannedAnswer } from './faults.ts';
export type { ApiRequest } from './request-log.ts';
export type { ApiObject, Condition, ObjectMeta, ResourceName, Taint } from './resources.ts';
export type { TokenOptions } from './tokens.ts';

export interface ApiServerOptions {
  readonly rules?: readonly Rule[];
  readonly admission?: Admission;
  /** Between the bookmarks of a watch that wants them; default 60 000. */
  readonly bookmarkIntervalMs?: number;
  /** Whether `sendInitialEvents` is served, as from 1.34, or refused with 422; default false. */
  readonly watchList?: boolean;
  /** What `/version` says; default `v1.36.3`. */
  readonly version?: string;
}

/** `admin`: without HTTP, permission or admission. */
export interface ApiServer extends Admin {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** The latest; one counter for all objects. */
  readonly resourceVersion: string;
  /** PEM. */
  readonly ca: string;
  /** Change it at any time: it is looked at for each request. */
  readonly rules: Rule[];
  admission: Admission | undefined;
  readonly faults: ApiServerFaults;
  /** Oldest first, also those without an answer. Clear it with `requests.length = 0`. */
  readonly requests: ApiRequest[];
  readonly connections: { readonly total: number; readonly open: number };
  /** Open ones. */
  readonly watches: readonly WatchStream[];
  issueToken(options: TokenOptions): string;
  /** 401 for new requests; open watches go on. */
  expireToken(token: string): void;
  /** For a file that `--kubeconfig` names. */
  kubeconfig(token: string, namespace?: string): string;
  /** Adds what the Roles and bindings among the manifests allow, and the Namespaces and ConfigMaps. */
  load(manifests: string | readonly unknown[]): void;
  /** Every open connection ends: with a reset, or without (what is left of a killed server's connections). */
  cutConnections(how?: 'reset' | 'close'): void;
  /** Open watches end cleanly, as when their time is up. */
  endWatches(): void;
  /** Open watches stay open and say nothing more, whatever happens. */
  silenceWatches(): void;
  /** Earlier resourceVersions are expired for watches that begin from now on. */
  compact(): void;
  /** SIGKILL and a new process: objects stay, the history is lost. */
  restart(): Promise<void>;
  /** Connections are refused. Open watches are reset, or with `drainMs` (a real server's SIGTERM: 60 000) stay that long and end cleanly. */
  stop(options?: { readonly drainMs?: number }): void;
  /** On the same port. */
  start(): Promise<void>;
  remove(): Promise<void>;
}

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { ca, cert, key } = makeCertificates();
  const store = new Store();
  const faults = makeFaults();
  const tokens = new Tokens();
  const rules = [...(options.rules ?? [])];
  const connections = new Connections((socket) => {
    if (!faults.hangConnections) secure.emit('connection', socket);
  });
  const handler = new Handler({ store, faults, tokens, rules, connections, options });
  const secure = createSecure({ cert, key }, handler);
  const admin = makeAdmin(store);
  for (const name of ['default', 'kube-system']) admin.put('namespaces', { metadata: { name } });
  await connections.listen();
  let draining: NodeJS.Timeout | undefined;

  const stop: ApiServer['stop'] = ({ drainMs } = {}) => {
    clearTimeout(draining);
    connections.refuse();
    if (drainMs === undefined) connections.cut('reset');
    else draining = setTimeout(() => handler.endWatches(), drainMs);
  };

  return {
    ...admin,
    get resourceVersion() {
      return String(store.revision);
    },
    ca,
    rules,
    faults,
    requests: handler.requests,
    get url() {
      return `https://127.0.0.1:${connections.port}`;
    },
    get port() {
      return connections.port;
    },
    get admission() {
      return handler.admission;
    },
    set admission(admission) {
      handler.admission = admission;
    },
    get connections() {
      return { total: connections.total, open: connections.open };
    },
    get watches() {
      return [...handler.watches];
    },
    issueToken: (wanted) => tokens.issue(wanted),
    expireToken: (token) => tokens.expire(token),
    kubeconfig: (token, namespace) => toKubeconfig(`https://127.0.0.1:${connections.port}`, ca, token, namespace),
    load(manifests) {
      const objects = parseManifests(manifests);
      rules.push(...toRules(objects));
      admin.putAll(objects);
    },
    cutConnections: (how = 'reset') => connections.cut(how),
    endWatches: () => handler.endWatches(),
    silenceWatches: () => handler.silenceWatches(),
    compact: () => store.compact(),
    async restart() {
      stop();
      store.compact();
      await connections.listen();
    },
    stop,
    start: () => connections.listen(),
    remove: async () => stop(),
  };
}

function createSecure(tls: { cert: string; key: string }, handler: Handler): Http2SecureServer {
  const server = createSecureServer({ ...tls, allowHTTP1: true, settings: { maxConcurrentStreams: 100 } });
  server.on('request', (request, response) => handler.serve(request as unknown as AnyRequest, response));
  // A client that leaves in the middle is what tests do.
  server.on('sessionError', () => undefined);
  server.on('tlsClientError', () => undefined);
  return server;
}

function toKubeconfig(server: string, ca: string, token: string, namespace = 'default'): string {
  const name = 'test';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
    'current-context': name,
  });
}
