/** Makes the attempts of policy-attempts.ts and socket-guard-attempts.ts, and says which did not come out as they should. */

import { isDeepStrictEqual } from 'node:util';
import { readRecord, readString } from '../../agent/cluster/fields.ts';
import { type ApiAnswer, type ApiClient, createApiClient } from './api-client.ts';
import { untilNamespaceIsGone } from './installation.ts';
import type { PolicyAttempt } from './policy-attempt.ts';
import { policyAttempts } from './policy-attempts.ts';
import { absentNode, type NodeState, toPolicyNode } from './policy-node.ts';
import { socketGuardAttempts } from './socket-guard-attempts.ts';
import { ownPrefix, policyName, type TestCluster } from './test-cluster.ts';

const names = { own: `${ownPrefix}policy-own`, other: `${ownPrefix}policy-other`, absent: absentNode };
const tries = ['?dryRun=All', ''] as const;

/** Each attempt as a dry run and for real. @returns name, expectation and outcome of those that differ */
export async function runPolicyAttempts(cluster: TestCluster): Promise<readonly string[]> {
  const { admin, endpoint, issueToken } = cluster;
  const bound = createApiClient(endpoint, await issueToken(names.own));
  const unbound = createApiClient(endpoint, await issueToken(undefined));
  const differing: string[] = [];
  try {
    for (const attempt of policyAttempts) {
      for (const query of tries) {
        const before = await restore(admin, attempt);
        const answer = await make(attempt.token === 'bound' ? bound : unbound, attempt, query);
        const after = await read(admin, attempt);
        const isUntouched = isDeepStrictEqual(after, before);
        const outcome = toOutcome(answer, before);
        const mayChange = outcome === 'allowed' && query === '';
        if (outcome === attempt.expected && isUntouched !== mayChange) continue;
        const left = isUntouched ? '' : ', and the Node has changed';
        differing.push(`${attempt.name}${query}: ${attempt.expected} expected, was ${outcome}${left}`);
      }
    }
  } finally {
    await Promise.all([bound.close(), unbound.close(), cluster.revokeTokens(names.own)]);
    for (const name of Object.values(names)) await admin.ask('DELETE', `/api/v1/nodes/${name}`);
  }
  return differing;
}

/** The Node that the attempt is made on, as policy-node.ts has it. */
async function restore(admin: ApiClient, { node, state }: PolicyAttempt): Promise<unknown> {
  if (node === 'absent') return undefined;
  await put(admin, names[node], state);
  return await read(admin, { node });
}

async function put(admin: ApiClient, name: string, state: NodeState): Promise<void> {
  const path = `/api/v1/nodes/${name}`;
  const wanted = toPolicyNode(name, state);
  const known = await admin.ask('GET', path);
  // A new Node gets taints that are not asked for; they go with the write after it.
  const current = known.status === 404 ? await admin.must('POST', '/api/v1/nodes', wanted) : known.body;
  const withVersion = (now: ApiAnswer['body']): unknown => {
    const { resourceVersion } = readRecord(now['metadata']);
    return { ...wanted, metadata: { ...wanted.metadata, resourceVersion } };
  };
  const written = await admin.must('PUT', path, withVersion(current));
  await admin.must('PUT', `${path}/status`, withVersion(written));
}

async function read(admin: ApiClient, { node }: Pick<PolicyAttempt, 'node'>): Promise<unknown> {
  const { status, body } = await admin.ask('GET', `/api/v1/nodes/${names[node]}`);
  return status === 404 ? undefined : toContent(body);
}

async function make(client: ApiClient, attempt: PolicyAttempt, query: string): Promise<ApiAnswer> {
  const { method, resource, contentType, body } = attempt;
  const name = names[attempt.node];
  const path = method === 'POST' ? '/api/v1/nodes' : `/api/v1/nodes/${name}${resource === 'nodes' ? '' : '/status'}`;
  const isApply = contentType === 'application/apply-patch+yaml';
  const more = isApply ? `${query === '' ? '?' : `${query}&`}fieldManager=test&force=true` : query;
  return await client.ask(method, path + more, body, contentType);
}

function toOutcome({ status, body }: ApiAnswer, before: unknown): string {
  const message = readString(body['message']) ?? '';
  if (status === 403) return message.includes(`ValidatingAdmissionPolicy '${policyName}'`) ? 'policy' : 'permission';
  if (status !== 200) return `${status} ${message}`;
  return isDeepStrictEqual(toContent(body), before) ? 'ignored' : 'allowed';
}

/** Without what every write changes by itself. */
function toContent(body: ApiAnswer['body']): unknown {
  const { managedFields: _fields, resourceVersion: _version, ...metadata } = readRecord(body['metadata']);
  return { ...body, metadata };
}

/** Each as a dry run of a new Pod, in a namespace that is not listed and in one that is. */
export async function runSocketGuardAttempts({ admin }: TestCluster): Promise<readonly string[]> {
  const name = `${ownPrefix}guard`;
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await admin.must('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'stevedore' } };
  const differing: string[] = [];
  try {
    await admin.must('POST', `/api/v1/namespaces/${name}/serviceaccounts`, account);
    for (const { hostPath, refused } of socketGuardAttempts) {
      for (const namespace of [name, 'stevedore']) {
        const pod = toPod(hostPath);
        const { status, body } = await admin.ask('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
        const expected = refused && namespace === name ? 403 : 201;
        if (status !== expected) differing.push(`${namespace} ${hostPath}: ${status} ${readString(body['message'])}`);
      }
    }
  } finally {
    await admin.ask('DELETE', `/api/v1/namespaces/${name}`);
    await untilNamespaceIsGone(admin, name);
  }
  return differing;
}

function toPod(hostPath: string): unknown {
  const containers = [{ name: 'c', image: 'stevedore.invalid/c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }];
  const volumes = [{ name: 'v', hostPath: { path: hostPath } }];
  const spec = { serviceAccountName: 'stevedore', containers, volumes };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'guard' }, spec };
}
