/** The service account of the agent's own pod, as the kubelet mounts it. */

import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { errorMessage, Failure } from '../core/failure.ts';
import type { IdentitySource } from './access.ts';

export interface ServiceAccountSettings {
  /** Default: where the kubelet mounts it. */
  readonly folder?: string;
  /** Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const mountedFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** @throws Failure `other` when this is no pod, or one without a service account */
export async function createServiceAccountSource(settings: ServiceAccountSettings = {}): Promise<IdentitySource> {
  const { folder = mountedFolder, env = process.env } = settings;
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === '') {
    throw new Failure(
      'other',
      'not in a cluster (KUBERNETES_SERVICE_HOST is not set): name a kubeconfig with --kubeconfig',
    );
  }
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const caFile = join(folder, 'ca.crt');
  return {
    namespace: (await readFile(join(folder, 'namespace'), 'utf8').catch(() => '')).trim() || undefined,

    async read() {
      const [ca, token] = await Promise.all([readMounted(caFile), readMounted(join(folder, 'token'))]);
      return {
        server,
        tls: {
          ca,
          caSource: caFile,
          cert: undefined,
          key: undefined,
          serverName: undefined,
          insecureSkipVerify: false,
        },
        headers: { authorization: `Bearer ${token}` },
      };
    },
  };
}

async function readMounted(path: string): Promise<string> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    if (text !== '') return text;
  } catch (error) {
    throw new Failure('other', `the service account cannot be used: ${errorMessage(error)}`, { cause: error });
  }
  throw new Failure('other', `the service account cannot be used: ${path} is empty`);
}
