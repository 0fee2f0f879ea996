/** Labels and ConfigMaps are followed, and the Node tells what came of it. */

import { expect, test } from 'vitest';
import type { Stage } from '../stage.ts';
import { eventually, findSaid, makeNode, untilHeld, untilMetric, untilSaid } from '../stage-node.ts';

const gpu = { matchLabels: { 'example.com/gpu': 'yes' } };

/** The main path, on every runtime. */
export function labelScenarios(stage: () => Stage): void {
  test('a label is all it takes: images come, and label, condition and Event say so; an edit and the way back too', async () => {
    const { runtime, push, configure } = stage();
    const [one, two] = [await push(), await push()];
    await configure([{ name: 'gpu-images', images: [one], nodeSelector: gpu }]);
    const node = await makeNode(stage(), {
      labels: { zone: 'a', 'image-set.stevedore.dev/of-yore': 'ready' },
      condition: { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '', lastHeartbeatAt: Date.now() },
    });
    const agent = await node.startAgent();
    await eventually('ready', async () => (await fetch(`${agent.url}/readyz`)).ok);
    await eventually('the condition', async () => (await node.condition())?.reason === 'NoImageSets');
    await node.untilLabel('of-yore', undefined);
    expect(await node.label('gpu-images')).toBeUndefined();
    expect(findSaid(agent, 'pull started')).toBeUndefined();

    await node.admin.changeNode({ labels: { 'example.com/gpu': 'yes' } });
    await untilSaid(agent, 'pull started', { image: one });
    await untilHeld(runtime, one);
    await node.untilLabel('gpu-images', 'ready');
    await eventually('the condition', async () => (await node.condition())?.reason === 'ImageSetsReady');
    expect(await node.condition()).toMatchObject({ status: 'True', message: 'every image of gpu-images is present' });
    expect(await node.untilEvent('Normal ImageSetReady')).toBe('image set gpu-images: 1 image present');

    await configure([{ name: 'gpu-images', images: [one, two], nodeSelector: gpu }]);
    await untilSaid(agent, 'pull started', { image: two });
    await untilHeld(runtime, two);
    await eventually('the condition again', async () => (await node.condition())?.reason === 'ImageSetsReady');
    await node.untilLabel('gpu-images', 'ready');

    await node.admin.changeNode({ labels: { 'example.com/gpu': null } });
    await node.untilLabel('gpu-images', undefined);
    await eventually('no set', async () => (await node.condition())?.reason === 'NoImageSets');
    const now = await node.admin.node();
    expect(now?.labels).toMatchObject({ zone: 'a' });
    expect(Object.keys(now?.labels ?? {}).filter((key) => key.startsWith('image-set.stevedore.dev/'))).toEqual([]);
    expect(now?.conditions.find(({ type }) => type === 'Ready')).toMatchObject({ reason: 'KubeletReady' });
    expect(await agent.stop()).toBe(0);
  });
}

export function watchingScenarios(stage: () => Stage): void {
  labelScenarios(stage);

  test('a set that fails is pending, and condition and Event say why', async () => {
    const { registry, configure } = stage();
    const missing = `${registry.host}/cluster/nowhere:v1`;
    await configure([{ name: 'broken', images: [missing] }]);
    const node = await makeNode(stage());
    await node.startAgent();
    await node.untilLabel('broken', 'pending');
    expect(await node.untilEvent('Warning ImageSetFailed')).toContain(`image set broken: ${missing}: not_found: `);
    await eventually('the condition', async () => (await node.condition())?.reason === 'ImageSetsFailed');
    expect(await node.condition()).toMatchObject({ status: 'False' });
    expect((await node.condition())?.message).toContain('broken lacks 1 of 1 images');
  });

  test('an invalid ConfigMap keeps the last good one; log, metric and a Warning Event say what is wrong', async () => {
    const { runtime, push, configure, configureAs } = stage();
    const [one, two] = [await push(), await push()];
    await configure([{ name: 'kept', images: [one] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await node.untilLabel('kept', 'ready');
    await configureAs('imageSets:\n  - name: kept\n    image: [a]\n');
    await untilMetric(agent, 'config_last_reload_successful', 0);
    expect(await node.untilEvent('Warning ConfigurationRefused')).toMatch(/configmap stevedore\/stevedore.*image/);
    await untilSaid(agent, /^configuration refused, the last good one stays in force$/);
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    await runtime.removeImage(one);
    await untilHeld(runtime, one);
    await configure([{ name: 'kept', images: [one, two] }]);
    await untilHeld(runtime, two);
    await untilMetric(agent, 'config_last_reload_successful', 1);
  });

  test("teams add sets; one team's mistake and a name used twice leave all others working", async () => {
    const { runtime, push, configure } = stage();
    const [main, first, second] = [await push(), await push(), await push()];
    await configure([{ name: 'common', images: [main] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    const put = (name: string, content: unknown) =>
      node.admin.putConfigMap(
        `stevedore-test-${name}`,
        { 'config.yaml': JSON.stringify(content) },
        { 'stevedore.dev/image-sets': 'true' },
      );
    try {
      await put('a', { imageSets: [{ name: 'team-a', images: [first] }] });
      await node.untilLabel('team-a', 'ready');
      await put('b', { imageSets: [{ name: 'common', images: [second] }] });
      await untilMetric(agent, 'team_configmaps_refused', 1);
      const note = await node.untilEvent('Warning ConfigurationRefused');
      expect(note).toContain('configmap stevedore/stevedore-test-b');
      expect(note).toContain('common');
      await put('c', { imageSets: 'none' });
      await untilMetric(agent, 'team_configmaps_refused', 2);
      await put('a', { imageSets: [{ name: 'team-a', images: [first, second] }] });
      await untilHeld(runtime, second);
      await node.untilLabel('common', 'ready');
      await node.admin.deleteConfigMap('stevedore-test-a');
      await node.untilLabel('team-a', undefined);
    } finally {
      for (const name of ['a', 'b', 'c']) await node.admin.deleteConfigMap(`stevedore-test-${name}`);
    }
  });

  test('a Node that comes late, is deleted and made again, or changed while the agent is down, is caught up with', async () => {
    const { runtime, push, configure } = stage();
    const [one, two] = [await push(), await push()];
    await configure([{ name: 'gpu-images', images: [one], nodeSelector: gpu }]);
    const node = await makeNode(stage(), { isAbsent: true });
    const agent = await node.startAgent();
    await untilMetric(agent, 'cluster_up', 1);
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(503);
    await node.admin.createNode({ labels: { 'example.com/gpu': 'yes' } });
    await node.untilLabel('gpu-images', 'ready');

    await node.admin.deleteNode();
    await untilSaid(agent, /^the Node is gone from the API server/);
    await node.admin.createNode({ labels: { 'example.com/gpu': 'yes' } });
    await untilSaid(agent, 'the Node is there again');
    await node.untilLabel('gpu-images', 'ready');
    expect(await node.condition()).toMatchObject({ status: 'True' });

    expect(await agent.stop()).toBe(0);
    await node.admin.changeNode({ labels: { 'example.com/gpu': null, 'example.com/other': 'yes' } });
    const other = { matchLabels: { 'example.com/other': 'yes' } };
    await configure([{ name: 'others', images: [two], nodeSelector: other }]);
    await node.startAgent();
    await untilHeld(runtime, two);
    await node.untilLabel('others', 'ready');
    await node.untilLabel('gpu-images', undefined);
  });
}
