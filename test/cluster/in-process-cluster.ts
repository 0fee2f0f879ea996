/** The API server of the tests, with the manifests as they were rendered last and the policy as that server has it. */

import { readFile } from 'node:fs/promises';
import { type ApiServer, ownNodePolicy, startApiServer } from '../harness/api-server/api-server.ts';
import { createApiClient } from './api-client.ts';
import { namespace, type TestCluster, toKubeconfig } from './test-cluster.ts';

export interface InProcessCluster extends TestCluster {
  readonly server: ApiServer;
}

const account = `system:serviceaccount:${namespace}:stevedore`;

export async function startInProcessCluster(): Promise<InProcessCluster> {
  const server = await startApiServer();
  const rendered = new URL('../../manifests/rendered/everything.yaml', import.meta.url);
  server.load(await readFile(rendered, 'utf8'));
  const policy = ownNodePolicy();
  server.admission = policy;
  const { url, ca } = server;
  const adminToken = server.issueToken({ user: 'operator', groups: ['system:masters'] });
  const admin = createApiClient({ url, ca }, adminToken);
  const issued = new Map<string, string[]>();
  return {
    server,
    endpoint: { url, ca },
    adminEndpoint: { url, ca },
    adminToken,
    admin,
    async issueToken(node) {
      if (node === undefined) return server.issueToken({ user: account });
      const token = server.issueToken({ user: account, node });
      issued.set(node, [...(issued.get(node) ?? []), token]);
      return token;
    },
    async revokeTokens(node) {
      for (const token of issued.get(node) ?? []) server.expireToken(token);
    },
    kubeconfig: (user) =>
      toKubeconfig({ server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') }, user),
    async bindPolicy(isBound) {
      server.admission = isBound ? policy : undefined;
    },
    async remove() {
      await admin.close();
      await server.remove();
    },
  };
}
