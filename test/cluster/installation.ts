/** The manifests on a real API server, for the time of a suite: the names are those of production, as the policy asks for them. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { readList, readRecord, readString } from '../../agent/cluster/fields.ts';
import { type ApiClient, merge } from './api-client.ts';
import { kubectl } from './kubectl.ts';
import { namespace, ownPrefix, policyName } from './test-cluster.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** On the namespace: what has it may be removed. */
const mark = 'stevedore.dev/test-cluster';
const namespacePath = `/api/v1/namespaces/${namespace}`;
const eventsPath = '/apis/events.k8s.io/v1/namespaces/default/events';
const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
const clusterRoles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

/** No node of a real cluster runs it: the agents of the tests are processes of this machine. */
const nowhere = [
  {
    target: { kind: 'DaemonSet', name: 'stevedore' },
    patch: JSON.stringify([{ op: 'add', path: '/spec/template/spec/nodeSelector', value: { [mark]: 'none' } }]),
  },
];

export interface Rendering {
  readonly overlay: string;
  readonly components?: readonly string[];
  readonly isNowhere?: boolean;
}

/** By kubectl's own kustomize. */
export async function render({ overlay, components = [], isNowhere = false }: Rendering): Promise<string> {
  // kustomize takes neither absolute paths nor a root above the one that asks.
  const cache = join(repository, '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'kustomize-'));
  try {
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: [`../../manifests/overlays/${overlay}`],
      components: components.map((name) => `../../manifests/components/${name}`),
      patches: isNowhere ? nowhere : [],
    };
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    return await kubectl(['kustomize', folder]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @throws Error where something is there already that no test has made */
export async function install(admin: ApiClient): Promise<void> {
  await refuseForeign(admin);
  const rendered = await render({ overlay: 'containerd', components: ['gate', 'socket-guard'], isNowhere: true });
  await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], rendered);
  await admin.must('PATCH', namespacePath, { metadata: { annotations: { [mark]: 'true' } } }, merge);
}

async function refuseForeign(admin: ApiClient): Promise<void> {
  const existing = await admin.ask('GET', namespacePath);
  if (existing.status === 200) {
    const { annotations } = readRecord(existing.body['metadata']);
    if (readRecord(annotations)[mark] !== 'true') {
      throw new Error(`there is a namespace ${namespace} that no test has made: this cluster is in use`);
    }
    await uninstall(admin);
    return;
  }
  for (const path of [`${policies}/${policyName}`, `${clusterRoles}/stevedore`]) {
    const found = await admin.ask('GET', path);
    if (found.status !== 404)
      throw new Error(`there is ${path} without namespace ${namespace}: this cluster is in use`);
  }
}

/** Also what a suite that was killed has left. */
export async function uninstall(admin: ApiClient): Promise<void> {
  for (const name of await listNames(admin, '/api/v1/nodes')) {
    if (name.startsWith(ownPrefix)) await admin.ask('DELETE', `/api/v1/nodes/${name}`);
  }
  for (const name of await listNames(admin, eventsPath)) {
    if (name.startsWith(ownPrefix)) await admin.ask('DELETE', `${eventsPath}/${name}`);
  }
  for (const name of await listNames(admin, `${namespacePath}/pods`)) {
    await admin.ask('DELETE', `${namespacePath}/pods/${name}?gracePeriodSeconds=0`);
  }
  const rendered = await render({ overlay: 'containerd', components: ['gate', 'socket-guard'] });
  await kubectl(['delete', '--ignore-not-found', '--wait=false', '-f', '-'], rendered);
  await untilNamespaceIsGone(admin, namespace);
}

/** Without a controller manager nobody ends a namespace: then we do, once our own objects are out of it. */
export async function untilNamespaceIsGone(admin: ApiClient, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${name}`;
  const startedAt = performance.now();
  for (;;) {
    const { status, body } = await admin.ask('GET', path);
    if (status === 404) return;
    const waitedMs = performance.now() - startedAt;
    const isBegun = readList(readRecord(body['status'])['conditions']).length > 0;
    if (!isBegun && waitedMs > 10_000) {
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${name}/leases`;
      for (const held of [`${path}/configmaps`, leases, `${path}/serviceaccounts`]) await admin.must('DELETE', held);
      await admin.must('PUT', `${path}/finalize`, { ...body, spec: { finalizers: [] } });
    }
    if (waitedMs > 120_000) throw new Error(`namespace ${name} does not go`);
    await sleep(250);
  }
}

async function listNames(admin: ApiClient, path: string): Promise<readonly string[]> {
  const { items } = await admin.must('GET', path);
  return readList(items).map((item) => readString(readRecord(readRecord(item)['metadata'])['name']) ?? '');
}
