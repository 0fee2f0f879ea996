/** The API server of the swarm, in a process of its own, with the rights and the admission policy of the manifests. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serve } from './child.ts';
import { installFastTime } from './fast-time.ts';

export interface ApiFigures {
  /** By `verb resource status`. */
  readonly requests: Readonly<Record<string, number>>;
  readonly refused: number;
  /** In one second of the swarm's time. */
  readonly mostRequestsPerSecond: number;
  readonly connections: { readonly total: number; readonly open: number };
  readonly watches: number;
  readonly cpuSeconds: number;
}

export interface SlotHolder {
  readonly slot: string;
  readonly holder: string;
}

export const imageSet = 'cold';
const namespace = 'stevedore';
const user = 'system:serviceaccount:stevedore:stevedore';

if (process.send !== undefined) await main();

async function main(): Promise<void> {
  const setSpeed = installFastTime();
  const { ownNodePolicy, startApiServer } = await import('../../harness/api-server/api-server.ts');
  const server = await startApiServer();
  server.admission = ownNodePolicy();
  server.load(await readFile(new URL('../../../manifests/base/permissions.yaml', import.meta.url), 'utf8'));

  const answers = {
    /** Makes the Nodes, and a kubeconfig for each, with a token that is bound to it. */
    async nodes({ names, folder }: { readonly names: readonly string[]; readonly folder: string }) {
      for (const name of names) {
        server.put('nodes', {
          metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
          status: { conditions: [{ type: 'Ready', status: 'True' }] },
        });
        const token = server.issueToken({ user, node: name, expiresAt: Number.MAX_SAFE_INTEGER });
        await writeFile(join(folder, name), server.kubeconfig(token, namespace), { mode: 0o600 });
      }
    },
    configure(text: string) {
      server.put('configmaps', { metadata: { name: 'stevedore', namespace }, data: { 'config.yaml': text } });
    },
    forgetRequests() {
      server.requests.length = 0;
    },
    /** Nodes that the status view shows as ready. */
    ready: () =>
      server
        .list('nodes')
        .filter(({ metadata }) => metadata.labels?.[`image-set.stevedore.dev/${imageSet}`] === 'ready').length,
    holders: (): SlotHolder[] =>
      server
        .list('leases', namespace)
        .map(({ metadata, spec }) => ({ slot: metadata.name, holder: String(spec?.['holderIdentity'] ?? '') })),
    figures(): ApiFigures {
      const requests: Record<string, number> = {};
      const perSecond = new Map<number, number>();
      let refused = 0;
      for (const { verb, resource = '', subresource, status, at, query } of server.requests) {
        const what = subresource === undefined ? resource : `${resource}/${subresource}`;
        const dryRun = query['dryRun'] === undefined ? '' : ' dry run';
        const key = `${verb} ${what}${dryRun} ${status ?? '-'}`;
        requests[key] = (requests[key] ?? 0) + 1;
        if (status === undefined || status === 401 || status === 403 || status >= 500) refused += dryRun === '' ? 1 : 0;
        const second = Math.floor(at / 1000);
        perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
      }
      const { user: userUs, system } = process.cpuUsage();
      return {
        requests,
        refused,
        mostRequestsPerSecond: Math.max(0, ...perSecond.values()),
        connections: server.connections,
        watches: server.watches.length,
        cpuSeconds: (userUs + system) / 1e6,
      };
    },
  };
  serve(answers, (news) => (news.news === 'speed' ? setSpeed(news.factor) : undefined));
}
