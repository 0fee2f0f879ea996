/** The API server of KUBECONFIG, with the manifests applied, and its administrator. */

import { readRecord, readString } from '../../agent/cluster/fields.ts';
import { until } from '../integration/running-agent.ts';
import { type ApiEndpoint, createApiClient, merge } from './api-client.ts';
import { install, uninstall } from './installation.ts';
import { readClusterOfKubeconfig, startProxy } from './kubectl.ts';
import { namespace, ownPrefix, policyName, type TestCluster, toKubeconfig } from './test-cluster.ts';

const podsPath = `/api/v1/namespaces/${namespace}/pods`;
const tokenPath = `/api/v1/namespaces/${namespace}/serviceaccounts/stevedore/token`;
const bindings = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';

export async function startRealCluster(): Promise<TestCluster> {
  const clusterOfKubeconfig = await readClusterOfKubeconfig();
  const proxy = await startProxy();
  const admin = createApiClient({ url: proxy.url }, undefined);
  const stop = async (): Promise<void> => {
    await admin.close();
    await proxy.stop();
  };
  try {
    await install(admin);
  } catch (error) {
    await stop();
    throw error;
  }
  const podOf = (node: string): string => `${node}-agent`;
  const authority = readString(clusterOfKubeconfig['certificate-authority-data']);
  const endpoint: ApiEndpoint = {
    url: readString(clusterOfKubeconfig['server']) ?? '',
    ca: authority === undefined ? undefined : Buffer.from(authority, 'base64').toString(),
    serverName: readString(clusterOfKubeconfig['tls-server-name']),
  };

  /** A Pod that nobody starts: its node has no kubelet. */
  async function makePod(node: string): Promise<unknown> {
    const name = podOf(node);
    const { status, body } = await admin.ask('GET', `${podsPath}/${name}`);
    if (status === 200) return readRecord(body['metadata'])['uid'];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        nodeName: node,
        serviceAccountName: 'stevedore',
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'agent', image: 'stevedore.invalid/agent' }],
      },
    };
    return readRecord((await admin.must('POST', podsPath, pod))['metadata'])['uid'];
  }

  async function issueToken(node: string | undefined): Promise<string> {
    const pod = node === undefined ? undefined : await makePod(node);
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: podOf(node ?? ''), uid: pod };
    const answer = await admin.must('POST', tokenPath, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3_600, ...(pod === undefined ? {} : { boundObjectRef }) },
    });
    return readString(readRecord(answer['status'])['token']) ?? '';
  }

  /** The API server takes up to a second to heed what it was told, several of them each its own. */
  async function untilPolicyIs(isInForce: boolean): Promise<void> {
    const agent = createApiClient(endpoint, await issueToken(undefined));
    const name = `${ownPrefix}probe`;
    await admin.ask('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    try {
      await until(`policy ${isInForce ? '' : 'not '}in force`, async () => {
        const path = `/api/v1/nodes/${name}/status?dryRun=All`;
        const { status, body } = await agent.ask(
          'PATCH',
          path,
          { metadata: { labels: { 'example.com/a': '1' } } },
          merge,
        );
        const isRefused = status === 403 && (readString(body['message']) ?? '').includes(policyName);
        return isInForce ? isRefused : status === 200;
      });
    } finally {
      await admin.ask('DELETE', `/api/v1/nodes/${name}`);
      await agent.close();
    }
  }

  await untilPolicyIs(true);
  return {
    endpoint,
    adminEndpoint: { url: proxy.url },
    adminToken: undefined,
    admin,
    issueToken,
    // New requests are refused within some 10 s: as the API server remembers whom it has let in.
    revokeTokens: async (node) => void (await admin.ask('DELETE', `${podsPath}/${podOf(node)}?gracePeriodSeconds=0`)),
    kubeconfig: (user) => toKubeconfig(clusterOfKubeconfig, user),
    async bindPolicy(isBound) {
      if (isBound) {
        await admin.must('POST', bindings, {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'ValidatingAdmissionPolicyBinding',
          metadata: { name: policyName },
          spec: { policyName, validationActions: ['Deny'] },
        });
      } else {
        await admin.must('DELETE', `${bindings}/${policyName}`);
      }
      await untilPolicyIs(isBound);
    },
    async remove() {
      try {
        await uninstall(admin);
      } finally {
        await stop();
      }
    },
  };
}
