/** The adapter on an API server in this process, with times that fit a test: for what only the adapter can get wrong. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ClusterAccess, createClusterAccess } from '../../../agent/cluster/access.ts';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { type ClusterOptions, createCluster } from '../../../agent/cluster/kubernetes.ts';
import type { Logger, LogFields } from '../../../agent/core/logger.ts';
import { type ApiServerTimeouts, createApiDispatcher } from '../../../agent/registry/api-dispatcher.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../../harness/api-server/api-server.ts';
import { makeFolder } from '../../harness/folder.ts';

export const nodeName = 'node-1';
export const namespace = 'stevedore';
const user = 'system:serviceaccount:stevedore:stevedore';

export interface AdapterOptions {
  readonly server?: Omit<ApiServerOptions, 'rules'>;
  readonly timings?: ClusterOptions['timings'];
  readonly timeouts?: Partial<ApiServerTimeouts>;
  /** Default: as it is for an agent. */
  readonly rereadMs?: number;
}

export interface Adapter {
  readonly server: ApiServer;
  readonly cluster: Cluster;
  readonly access: ClusterAccess;
  /** `verb resource code`, as they came. */
  readonly asked: string[];
  readonly restarts: string[];
  /** All that was logged, as one text. */
  readonly logged: () => string;
  /** Called with each request once it has been answered, before the caller goes on. */
  onAnswer: ((asked: string) => void) | undefined;
  /** Of the service account's folder. */
  readonly token: string;
  writeToken(token: string): Promise<void>;
  issueToken(): string;
}

/** Short enough to be waited for, long enough for a busy machine. */
export const quick = { backoffBaseMs: 50, backoffCapMs: 200, recoveredMs: 500, silentMs: 60_000 } as const;

/** As a pod of the agent has it, with a Node and its ConfigMap; everything goes when the test ends. */
export async function startAdapter(options: AdapterOptions = {}): Promise<Adapter> {
  const server = await startApiServer({
    ...options.server,
    rules: [{ user, verbs: ['*'], groups: ['*'], resources: ['*'] }],
  });
  const folder = await makeFolder('account');
  const issueToken = (): string => server.issueToken({ user, node: nodeName });
  const writeToken = (token: string): Promise<void> => writeFile(join(folder.path, 'token'), token);
  const token = issueToken();
  await writeToken(token);
  await writeFile(join(folder.path, 'ca.crt'), server.ca);
  await writeFile(join(folder.path, 'namespace'), namespace);
  server.put('nodes', { metadata: { name: nodeName, labels: { gpu: 'yes' } } });
  server.put('configmaps', { metadata: { name: 'stevedore', namespace }, data: { 'config.yaml': 'one' } });

  const access = await createClusterAccess(
    {
      kubeconfig: undefined,
      serviceAccount: {
        folder: folder.path,
        env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) },
      },
      connect: (url, tls) =>
        createApiDispatcher(url, tls, { connectMs: 10_000, headersMs: 10_000, totalMs: 20_000, ...options.timeouts }),
      ...(options.rereadMs !== undefined && { rereadMs: options.rereadMs }),
    },
    AbortSignal.timeout(30_000),
  );
  const lines: string[] = [];
  const asked: string[] = [];
  const restarts: string[] = [];
  const adapter: Adapter = {
    server,
    access,
    asked,
    restarts,
    token,
    writeToken,
    issueToken,
    onAnswer: undefined,
    logged: () => lines.join('\n'),
    cluster: createCluster(access, {
      nodeName,
      namespace,
      configMap: 'stevedore',
      log: toLogger(lines),
      onRequest: (verb, resource, code) => {
        asked.push(`${verb} ${resource} ${code}`);
        adapter.onAnswer?.(`${verb} ${resource} ${code}`);
      },
      onWatchRestarted: (resource) => restarts.push(resource),
      timings: { ...quick, ...options.timings },
    }),
  };
  onTestFinished(async () => {
    await adapter.cluster.close();
    await server.remove();
    await folder.remove();
  });
  return adapter;
}

function toLogger(lines: string[]): Logger {
  const log = (fields: LogFields, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { debug: log, info: log, warn: log, error: log };
}
