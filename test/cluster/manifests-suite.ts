/** The manifests on a real API server: what it takes, and what their policies refuse. */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readRecord, readString } from '../../agent/cluster/fields.ts';
import { createApiClient, merge } from './api-client.ts';
import { render } from './installation.ts';
import { kubectl } from './kubectl.ts';
import { policyAttempts } from './policy-attempts.ts';
import { runPolicyAttempts, runSocketGuardAttempts } from './policy-run.ts';
import { socketGuardAttempts } from './socket-guard-attempts.ts';
import type { Stage } from './stage.ts';
import { makeNode } from './stage-node.ts';
import { namespace } from './test-cluster.ts';

const overlays = readdirSync(fileURLToPath(new URL('../../manifests/overlays', import.meta.url)));
/** Those that need no definitions of others. */
const components = [[], ['gate', 'selinux', 'socket-guard'], ['gate', 'uninstall']];

export function manifestScenarios(stage: () => Stage): void {
  test.each(overlays.map((overlay) => [overlay]))(
    'the API server takes overlay %s, with components too',
    async (overlay) => {
      for (const chosen of components) {
        const rendered = await render({ overlay, components: chosen });
        const dryRun = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', '-'];
        expect(await kubectl(dryRun, rendered)).toContain('daemonset.apps/stevedore serverside-applied');
      }
    },
  );

  test('what the coordinator published outlives everything that applies the manifests again', async () => {
    const node = await makeNode(stage());
    const { cluster } = stage();
    const agent = createApiClient(cluster.endpoint, await cluster.issueToken(node.name));
    onTestFinished(() => agent.close());
    const path = `/api/v1/namespaces/${namespace}/configmaps/stevedore-resolved-0`;
    const { metadata } = await cluster.admin.must('GET', path);
    const data = { 'resolved.json': '{}' };
    await agent.must('PUT', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
    const rendered = await render({ overlay: 'containerd', components: ['gate', 'socket-guard'], isNowhere: true });
    for (const how of [['--server-side', '--force-conflicts'], ['--server-side', '--force-conflicts'], [], []]) {
      await kubectl(['apply', ...how, '-f', '-'], rendered);
      expect((await cluster.admin.must('GET', path))['data']).toEqual(data);
    }
    await cluster.admin.must('PATCH', path, { data: null }, merge);
  });

  test('the policy has no expression that the API server warns of', async () => {
    const { admin } = stage().cluster;
    for (const name of ['stevedore-own-node', 'stevedore-socket-guard']) {
      const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${name}`;
      const { status } = await admin.must('GET', path);
      expect(readRecord(readRecord(status)['typeChecking'])).toEqual({});
    }
  });

  test(`all ${policyAttempts.length} attempts on Nodes come out as they should, as a dry run and for real`, async () => {
    expect(await runPolicyAttempts(stage().cluster)).toEqual([]);
  });

  test(`all ${socketGuardAttempts.length} paths that a pod may mount come out as they should`, async () => {
    expect(await runSocketGuardAttempts(stage().cluster)).toEqual([]);
  });

  test('a token that is bound to the Node itself is its own too', async ({ skip }) => {
    const { admin, endpoint } = stage().cluster;
    const [node, other] = [await makeNode(stage()), await makeNode(stage())];
    const { metadata } = await admin.must('GET', `/api/v1/nodes/${node.name}`);
    const boundObjectRef = { kind: 'Node', apiVersion: 'v1', name: node.name, uid: readRecord(metadata)['uid'] };
    const { status, body } = await admin.ask(
      'POST',
      `/api/v1/namespaces/${namespace}/serviceaccounts/stevedore/token`,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } },
    );
    if (status === 422 || status === 400) skip('this API server binds no tokens to Nodes: before 1.33');
    const client = createApiClient(endpoint, readString(readRecord(body['status'])['token']));
    onTestFinished(() => client.close());
    const label = { metadata: { labels: { 'image-set.stevedore.dev/bound': 'ready' } } };
    await client.must('PATCH', `/api/v1/nodes/${node.name}/status`, label, merge);
    expect((await client.ask('PATCH', `/api/v1/nodes/${other.name}/status`, label, merge)).status).toBe(403);
  });

  test('kubectl describe node shows condition and Events', async () => {
    await stage().configure([{ name: 'described', images: [await stage().push()] }]);
    const node = await makeNode(stage());
    await node.startAgent();
    await node.untilEvent('Normal ImageSetReady');
    await node.untilLabel('described', 'ready');
    const text = await kubectl(['describe', 'node', node.name]);
    expect(text).toMatch(/ImageSetsReady +True .*every image of described is present/);
    expect(text).toMatch(/Normal +ImageSetReady .*image set described: 1 image present/);
    expect(text).toContain('image-set.stevedore.dev/described=ready');
    const column = await kubectl(['get', 'node', node.name, '--no-headers', '-L', 'image-set.stevedore.dev/described']);
    expect(column.trim()).toMatch(/ready$/);
  });
}
