/** What on the node itself holds pulls back. */

import { expect, test } from 'vitest';
import type { RunningAgent } from '../../integration/running-agent.ts';
import type { NodeChange } from '../../contract/cluster/subject.ts';
import type { Stage } from '../stage.ts';
import { findSaid, makeNode, untilHeld, untilMetric } from '../stage-node.ts';

export function holdScenarios(stage: () => Stage): void {
  test('nothing is pulled while the node is paused, drained, about to go or short of disk', async () => {
    const { runtime, push, configure } = stage();
    const image = await push();
    await configure([{ name: 'held', images: [image] }]);
    const pressure = (status: string): NonNullable<NodeChange['condition']> => {
      return { type: 'DiskPressure', status, reason: 'Test', message: '', lastHeartbeatAt: Date.now() };
    };
    const node = await makeNode(stage(), { annotations: { 'stevedore.dev/pause': 'pull' } });
    const agent = await node.startAgent();
    await untilHold(agent, 'pause');
    await node.untilLabel('held', 'pending');
    await node.admin.changeNode({ unschedulable: true, annotations: { 'stevedore.dev/pause': null } });
    await untilHold(agent, 'drain');
    await node.admin.changeNode({ condition: pressure('True') });
    await node.admin.changeNode({
      unschedulable: false,
      taints: [{ key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }],
    });
    await untilHold(agent, 'drain');
    await node.admin.changeNode({ taints: [] });
    await untilHold(agent, 'pressure');
    expect(findSaid(agent, 'pull started')).toBeUndefined();
    await node.admin.changeNode({ condition: pressure('False') });
    await untilHeld(runtime, image);
    await node.untilLabel('held', 'ready');
  });

  test('the pause annotation stops a pull that runs', async () => {
    const { registry, runtime, push, configure } = stage();
    const image = await push(2_000_000);
    registry.faults.bytesPerSecond = 100_000;
    await configure([{ name: 'paused', images: [image] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await untilMetric(agent, 'image_pulls_in_progress', 1);
    await node.admin.changeNode({ annotations: { 'stevedore.dev/pause': 'all' } });
    await untilMetric(agent, 'image_pulls_in_progress', 0);
    await untilHold(agent, 'pause');
    expect(await agent.metric('node_holds{job="prune",reason="pause"}')).toBe(1);
    expect(await runtime.held()).not.toContain(image);
    delete registry.faults.bytesPerSecond;
    await node.admin.changeNode({ annotations: { 'stevedore.dev/pause': null } });
    await untilHeld(runtime, image);
  });
}

async function untilHold(agent: RunningAgent, reason: string): Promise<void> {
  await untilMetric(agent, `node_holds{job="pull",reason="${reason}"}`, 1);
}
