/** The startup taint: held until the gated sets are there, or the deadline has passed. */

import { expect, test } from 'vitest';
import { ownTaint } from '../policy-node.ts';
import type { Stage } from '../stage.ts';
import { eventually, makeNode, type StageNode, untilMetric, untilSaid } from '../stage-node.ts';

const taint = { key: ownTaint, effect: 'NoSchedule' };
const foreign = { key: 'example.com/other', value: 'x', effect: 'NoSchedule' };

async function hasTaint(node: StageNode, key: string): Promise<boolean> {
  return (await node.admin.node())?.taints.some((one) => one.key === key) ?? false;
}

export function gateScenarios(stage: () => Stage): void {
  test('the startup taint is held until the gated sets are there, and then it alone is removed', async () => {
    const { registry, push, configure } = stage();
    const image = await push(2_000_000);
    // So slow that the node is seen to be held.
    registry.faults.bytesPerSecond = 100_000;
    await configure([{ name: 'gated', images: [image], gate: true }]);
    const node = await makeNode(stage(), { taints: [foreign, taint, { ...taint, effect: 'NoExecute' }] });
    const agent = await node.startAgent();
    await untilMetric(agent, 'gate_held', 1);
    await untilSaid(agent, 'pull started', { image });
    await node.untilLabel('gated', 'pending');
    expect(await hasTaint(node, ownTaint)).toBe(true);
    delete registry.faults.bytesPerSecond;
    await eventually('the taint is gone', async () => !(await hasTaint(node, ownTaint)));
    expect(await hasTaint(node, foreign.key)).toBe(true);
    expect(await node.untilEvent('Normal GateReleased')).toContain(ownTaint);
    await untilMetric(agent, 'gate_releases_total{reason="ready"}', 1);
    await untilMetric(agent, 'gate_held', 0);
    await node.untilLabel('gated', 'ready');
  });

  test('a node whose gated set cannot be had is let go at the deadline, with a Warning', async () => {
    const { registry, configure } = stage();
    const missing = `${registry.host}/cluster/nowhere:v2`;
    await configure([{ name: 'gated', images: [missing], gate: true }], { gate: { deadline: '10s' } });
    const node = await makeNode(stage(), { taints: [taint] });
    const agent = await node.startAgent();
    await untilSaid(agent, 'pull failed', { image: missing });
    await eventually('the taint is gone', async () => !(await hasTaint(node, ownTaint)));
    expect(await node.untilEvent('Warning GateDeadlinePassed')).toContain(missing);
    await untilMetric(agent, 'gate_releases_total{reason="deadline"}', 1);
  });
}
