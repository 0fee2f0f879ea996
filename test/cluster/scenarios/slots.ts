/** `prefetch.maxNodes`: the nodes of a cluster share pull slots. */

import { expect, onTestFinished, test } from 'vitest';
import { readRecord, readString } from '../../../agent/cluster/fields.ts';
import { type RunningAgent, until } from '../../integration/running-agent.ts';
import { type Stage, startRuntime } from '../stage.ts';
import { eventually, findSaid, makeNode, type StageNode, untilHeld, untilMetric, untilSaid } from '../stage-node.ts';
import { namespace } from '../test-cluster.ts';

const slot = 'stevedore-pull-0';
const slotPath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${slot}`;

interface Pair {
  readonly first: { readonly node: StageNode; readonly agent: RunningAgent };
  readonly second: { readonly node: StageNode; readonly agent: RunningAgent };
  /** That of each. */
  readonly images: readonly [string, string];
}

/** Two nodes with a runtime each and one slot: the first holds it, in a pull that takes long, and the second waits. */
async function startPair(stage: Stage): Promise<Pair> {
  const { registry, push, configure } = stage;
  const images = [await push(2_000_000), await push(2_000_000)] as const;
  const [one, two] = images.map((image, index) => {
    const nodeSelector = { matchLabels: { 'example.com/half': String(index) } };
    return { name: `half-${index}`, images: [image], nodeSelector };
  });
  if (one === undefined || two === undefined) throw new Error('two images were pushed');
  registry.faults.bytesPerSecond = 20_000;
  await configure([one, two], { prefetch: { maxNodes: 1 } });
  const runtime = await startRuntime('containerd', registry);
  // What is registered first is done last: an agent that stops writes its Lease once more.
  onTestFinished(async () => {
    await stage.cluster.admin.ask('DELETE', slotPath);
    await runtime.remove();
  });
  const nodes = [
    await makeNode(stage, { labels: { 'example.com/half': '0' } }),
    await makeNode(stage, { labels: { 'example.com/half': '1' }, runtime }),
  ] as const;
  const first = { node: nodes[0], agent: await nodes[0].startAgent() };
  await untilSaid(first.agent, 'pull slot taken', { slot });
  await untilSaid(first.agent, 'pull started', { image: images[0] });
  const second = { node: nodes[1], agent: await nodes[1].startAgent() };
  await untilSaid(second.agent, 'pull waits', { image: images[1], reason: 'slot' });
  expect(await holder(stage)).toBe(nodes[0].name);
  expect(findSaid(second.agent, 'pull started')).toBeUndefined();
  return { first, second, images };
}

async function holder({ cluster }: Stage): Promise<string | undefined> {
  const { spec } = await cluster.admin.must('GET', slotPath);
  return readString(readRecord(spec)['holderIdentity']);
}

export function slotScenarios(stage: () => Stage): void {
  test('with maxNodes 1 two nodes never pull at once, and the slot is given back', async () => {
    const { first, second, images } = await startPair(stage());
    delete stage().registry.faults.bytesPerSecond;
    await first.node.untilLabel('half-0', 'ready');
    await untilHeld(stage().runtime, images[0]);
    await untilSaid(second.agent, 'pull started', { image: images[1] });
    await second.node.untilLabel('half-1', 'ready');
    const timeOf = ({ agent }: Pair['first'], message: string): number =>
      Date.parse(String(findSaid(agent, message)?.['time']));
    expect(timeOf(second, 'pull started')).toBeGreaterThanOrEqual(timeOf(first, 'pull done'));
    await untilSaid(second.agent, 'pull slot given back', { slot });
    await eventually('nobody holds the slot', async () => (await holder(stage())) === '');
    await untilMetric(second.agent, 'pull_slot_held', 0);
  });
}

/** As long as a Lease lives. */
export function slowSlotScenarios(stage: () => Stage): void {
  test("a dead holder's slot is free again when its time is over", async () => {
    const { first, second, images } = await startPair(stage());
    first.agent.process.kill('SIGKILL');
    await first.agent.exited;
    const { agent } = second;
    await until('the pull', () => findSaid(agent, 'pull started', { image: images[1] }), 150_000);
    expect(await holder(stage())).toBe(second.node.name);
  });
}
