/** `stevedore doctor` in a cluster: the API server, the agent's rights there, the node policy, and what is known without any of them. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startInProcessCluster } from '../cluster/in-process-cluster.ts';
import { useStage } from '../cluster/stage.ts';
import { makeNode, type StageNode } from '../cluster/stage-node.ts';
import { namespace } from '../cluster/test-cluster.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { type Diagnosed, runDoctor } from './doctor-run.ts';

describeWith([...needs.containerd, ...needs.registry], 'stevedore doctor in a cluster', () => {
  const stage = useStage('containerd', startInProcessCluster);

  afterEach(async () => {
    await stage().cluster.bindPolicy(true);
  });

  const look = (node: StageNode, ...more: readonly string[]): Promise<Diagnosed> =>
    runDoctor([...node.options, ...more]);

  test('with the manifests applied, rights and policy are in order, and the configuration is the one of the ConfigMaps', async () => {
    const reference = await stage().push();
    await stage().configure([{ name: 'a', images: [reference] }]);
    const node = await makeNode(stage());
    const { levels, lines } = await look(node);
    expect(levels).toMatchObject({
      api_server: ['ok'],
      configuration: ['ok'],
      api_permissions: ['ok'],
      node_policy: ['ok'],
      runtime: ['ok'],
      pull_by_agent: ['ok'],
      pull_by_runtime: ['ok'],
    });
    expect(lines('configuration')).toEqual([`ok configmap ${namespace}/stevedore: 1 image set, 1 image`]);
    expect(await node.label('a')).toBeUndefined();
  });

  test('without the policy, and with a token that RBAC knows nothing of', async () => {
    await stage().configure([]);
    const node = await makeNode(stage());
    await stage().cluster.bindPolicy(false);
    const unbound = await look(node);
    expect(unbound.lines('pull_by_agent')).toEqual(['not_checked the configuration names no repository']);
    expect(unbound.lines('node_policy')).toEqual([expect.stringMatching(/^failure .*no admission policy is in force/)]);

    const kubeconfig = join(node.stateDir, 'stranger');
    const token = stage().cluster.server.issueToken({
      user: `system:serviceaccount:${namespace}:stranger`,
      node: node.name,
    });
    await writeFile(kubeconfig, stage().cluster.kubeconfig({ token }));
    const { levels, lines, code } = await look(node, '--kubeconfig', kubeconfig);
    expect(levels).toMatchObject({
      api_server: ['failure'],
      configuration: ['failure'],
      node_policy: ['not_checked'],
      runtime: ['ok'],
    });
    expect(lines('api_permissions')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^failure get nodes: is not allowed/),
        expect.stringMatching(/^failure patch nodes: is not allowed: no removal of the startup taint/),
        expect.stringMatching(
          /^failure update configmaps in stevedore: stevedore-resolved-0 … stevedore-resolved-7: is not allowed/,
        ),
        expect.stringMatching(/^failure create events in default: is not allowed/),
      ]),
    );
    expect(code).toBe(1);
  });

  test('a broken ConfigMap is told mistake by mistake, and the rest goes on by the last good one', async () => {
    const reference = await stage().push();
    await stage().configure([{ name: 'a', images: [reference] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await node.untilLabel('a', 'ready');
    await agent.stop();
    await stage().configureAs('imageSets: [{ name: a, images: [":"] }]\nwhat: 1\n');
    const broken = await look(node);
    expect(broken.lines('configuration')).toEqual([
      expect.stringMatching(/^failure .*: line 1: imageSets\[0\]\.images\[0\]: ":"/),
      expect.stringMatching(/^failure .*: line 2: what/),
      expect.stringMatching(/^warning .*the last good one/),
    ]);
    expect(broken.levels).toMatchObject({ api_server: ['ok'], pull_by_runtime: ['ok'] });

    const kubeconfig = join(node.stateDir, 'nowhere');
    const text = stage()
      .cluster.kubeconfig({ token: 'x' })
      .replace(/"server":"[^"]*"/, '"server":"https://127.0.0.1:9"');
    await writeFile(kubeconfig, text);
    const away = await look(node, '--kubeconfig', kubeconfig);
    expect(away.levels).toMatchObject({
      api_server: ['failure'],
      configuration: ['ok', 'warning'],
      api_permissions: ['not_checked'],
      node_policy: ['not_checked'],
      runtime: ['ok'],
      pull_by_runtime: ['ok'],
    });
  });

  test('without a Node of that name, and without a kubeconfig that can be read', async () => {
    await stage().configure([]);
    const node = await makeNode(stage(), { isAbsent: true });
    const absent = await look(node);
    expect(absent.lines('api_server')).toEqual([expect.stringMatching(/^failure .*not found/)]);
    const none = await look(node, '--kubeconfig', join(node.stateDir, 'none'));
    expect(none.levels).toMatchObject({ api_server: ['failure'], api_permissions: ['not_checked'], runtime: ['ok'] });
    expect(none.lines('pull_by_runtime')).toEqual([expect.stringMatching(/^not_checked there is no configuration/)]);
  });
});
