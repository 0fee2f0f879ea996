/** The adapter on an API server, in this process or a real one. */

import { randomBytes } from 'node:crypto';
import { type ClusterAccess, createClusterAccess } from '../../../agent/cluster/access.ts';
import { createCluster } from '../../../agent/cluster/kubernetes.ts';
import { type Permission, permissions } from '../../../agent/cluster/permissions.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createApiDispatcher } from '../../../agent/registry/api-dispatcher.ts';
import { type Rule, startApiServer } from '../../harness/api-server/api-server.ts';
import { makeFolder } from '../../harness/folder.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiAdmin } from './api-admin.ts';
import type { ClusterSubject } from './subject.ts';

export interface ApiServerTarget {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly adminToken: string;
  /** A token of the agent on this node in this namespace: with all that it may ask for, or with its reads alone. */
  agentToken(agent: { readonly node: string; readonly namespace: string; readonly mayWrite: boolean }): Promise<string>;
  close(): Promise<void>;
}

/** A namespace and a Node of its own, so that several fit on one server. */
export async function makeApiServerSubject(target: ApiServerTarget): Promise<ClusterSubject> {
  const { url, ca, adminToken: token } = target;
  const mark = randomBytes(4).toString('hex');
  const [node, namespace] = [`node-${mark}`, `contract-${mark}`];
  const admin = createApiAdmin({ url, ca, token, nodeName: node, namespace });
  await admin.createNamespace();
  const open = async (mayWrite: boolean) =>
    createCluster(await accessOf(url, ca, await target.agentToken({ node, namespace, mayWrite })), {
      nodeName: node,
      namespace,
      configMap: 'stevedore',
      log: silentLogger,
    });
  const [cluster, readOnly] = [await open(true), await open(false)];
  return {
    nodeName: node,
    namespace,
    configMap: 'stevedore',
    cluster,
    readOnly,
    admin,
    async close() {
      await admin.deleteNode();
      await admin.deleteNamespace();
      await Promise.all([cluster.close(), readOnly.close(), admin.close()]);
      await target.close();
    },
  };
}

/** Through a kubeconfig, as `--kubeconfig` gives it. */
async function accessOf(url: string, ca: string, token: string): Promise<ClusterAccess> {
  const folder = await makeFolder('kubeconfig');
  try {
    const name = 'contract';
    const kubeconfig = {
      clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    };
    const path = join(folder.path, 'config');
    await writeFile(path, JSON.stringify(kubeconfig));
    return await createClusterAccess({ kubeconfig: path, connect: createApiDispatcher }, AbortSignal.timeout(30_000));
  } finally {
    await folder.remove();
  }
}

/** The API server of the tests; an agent has exactly the rights of the client's table. */
export async function startInProcessTarget(): Promise<ApiServerTarget> {
  const server = await startApiServer();
  return {
    url: server.url,
    ca: server.ca,
    adminToken: server.issueToken({ user: 'operator', groups: ['system:masters'] }),
    async agentToken({ node, namespace, mayWrite }) {
      const user = `system:serviceaccount:${namespace}:${mayWrite ? 'stevedore' : 'reader'}`;
      server.rules.push(...toRules(user, namespace, mayWrite));
      return server.issueToken({ user, node });
    },
    close: () => server.remove(),
  };
}

const reads: readonly string[] = ['get', 'list', 'watch'];

function toRules(user: string, namespace: string, mayWrite: boolean): Rule[] {
  return permissions.map((permission: Permission) => {
    const { group, resource, subresource, verbs, scope, names } = permission;
    return {
      user,
      groups: [group],
      resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
      verbs: mayWrite ? verbs : verbs.filter((verb) => reads.includes(verb)),
      ...(names === undefined ? {} : { resourceNames: names }),
      ...(scope === 'cluster' ? {} : { namespaces: [scope === 'default' ? 'default' : namespace] }),
    };
  });
}
