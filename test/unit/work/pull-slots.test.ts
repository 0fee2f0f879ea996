import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { lists, mayPull, pass, type SlotAgent, SlotAgents } from './slot-agents.ts';

const minute = 60_000;
let agents: SlotAgents;

beforeEach(() => {
  vi.useFakeTimers();
  agents = new SlotAgents();
});

afterEach(async () => {
  await agents.stop();
  vi.useRealTimers();
});

describe('a slot', () => {
  test('is not asked for without a limit, and pulls go on', async () => {
    const agent = agents.start('n1', undefined);
    agent.slots.want(true);
    await pass(minute);
    expect(mayPull(agent)).toBe(true);
    expect(agent.cluster.calls).toEqual([]);
  });

  test('is asked for only when something is to be pulled; a plan that nobody carries out takes it as free', async () => {
    const agent = agents.start('n1', 1);
    await pass(10 * minute);
    expect(agent.cluster.calls).toEqual([]);
    expect(mayPull(agent)).toBe(false);
    expect(agent.slots.forecast).toBe('free');
  });

  test('is taken by one list and one write, told once, renewed while pulls run, and given back', async () => {
    const agent = agents.start('n1', 3);
    agent.slots.want(true);
    await pass(1_000);
    expect(mayPull(agent)).toBe(true);
    expect(agent.cluster.calls).toEqual(['listLeases', 'createLease']);
    expect(agent.changes).toBe(1);
    expect(agent.recorder.slotHeld).toBe(true);
    expect(agent.recorder.slotWaits).toHaveLength(1);
    await pass(10 * minute);
    expect(mayPull(agent)).toBe(true);
    const renewals = agent.cluster.calls.slice(2);
    expect(new Set(renewals)).toEqual(new Set(['updateLease']));
    expect(renewals.length).toBeGreaterThanOrEqual(26);
    expect(renewals.length).toBeLessThanOrEqual(34);
    agent.slots.want(false);
    await pass(0);
    expect(agents.held).toBe(0);
    expect(mayPull(agent)).toBe(false);
    expect(agent.recorder.slotHeld).toBe(false);
    const asked = agent.cluster.calls.length;
    await pass(10 * minute);
    expect(agent.cluster.calls).toHaveLength(asked);
  });

  test('is given back when the agent stops', async () => {
    const agent = agents.start('n1', 1);
    agent.slots.want(true);
    await pass(1_000);
    expect(agents.holder(0)).toBe('n1');
    await agent.stop();
    expect(agents.holder(0)).toBe('');
  });

  test('of the same node is gone on with by a new agent, and both renew it', async () => {
    const old = agents.start('n1', 2);
    old.slots.want(true);
    await pass(1_000);
    const young = agents.start('n1', 2);
    young.slots.want(true);
    await pass(5 * minute);
    expect(mayPull(old) && mayPull(young)).toBe(true);
    expect(agents.held).toBe(1);
  });

  test('whose number maxNodes no longer allows is let go of, and another one asked for', async () => {
    const agent = agents.start('n1', 2, () => 0);
    agents.occupy(0, 'other');
    agent.slots.want(true);
    await pass(1_000);
    expect(agents.holder(1)).toBe('n1');
    agent.slots.setLimit(1);
    expect(mayPull(agent)).toBe(false);
    await pass(0);
    expect(agents.holder(1)).toBe('');
    // Nobody renews the other's.
    await pass(3 * minute);
    expect(agents.holder(0)).toBe('n1');
    agent.slots.setLimit(undefined);
    await pass(0);
    expect(agents.held).toBe(0);
    expect(mayPull(agent)).toBe(true);
  });
});

describe('nodes that wait', () => {
  test('are never more than maxNodes at once, all come to it, and do not ask in step', async () => {
    const nodes = Array.from({ length: 12 }, (_, index) => agents.start(`n${index}`, 3));
    for (const { slots } of nodes) slots.want(true);
    const done = new Set<SlotAgent>();
    let most = 0;
    for (let second = 0; second < 40 * 60 && done.size < nodes.length; second += 1) {
      await pass(1_000);
      most = Math.max(most, nodes.filter(mayPull).length, agents.held);
      // Each pulls for about half a minute.
      for (const agent of nodes.filter((one) => mayPull(one) && second % 30 === 29)) {
        done.add(agent);
        agent.slots.want(false);
      }
    }
    expect(done.size).toBe(12);
    expect(most).toBe(3);
  });

  test('ask again after longer and longer waits up to a minute, by one list each', async () => {
    agents.occupy(0, 'other', 86_400);
    const agent = agents.start('n1', 1, () => 0.999);
    agent.slots.want(true);
    await pass(30_000);
    expect(lists(agent)).toBe(3);
    await pass(20 * minute);
    const before = lists(agent);
    await pass(60 * minute);
    expect(lists(agent) - before).toBeLessThanOrEqual(61);
    expect(agent.cluster.calls.every((call) => call === 'listLeases')).toBe(true);
    expect(agent.slots.slot).toMatchObject({ message: expect.stringContaining('1 pull slots') });
  });

  test('get the slot of a node that died as soon as its lease time is over, however seldom they look', async () => {
    agents.occupy(0, 'dead');
    const agent = agents.start('n1', 1, () => 0.999);
    agent.slots.want(true);
    await pass(60_000);
    expect(agents.holder(0)).toBe('dead');
    await pass(3_000);
    expect(agents.holder(0)).toBe('n1');
  });

  test('look at once when maxNodes was raised', async () => {
    agents.occupy(0, 'other', 86_400);
    const agent = agents.start('n1', 1, () => 0.999);
    agent.slots.want(true);
    await pass(20 * minute);
    agent.slots.setLimit(2);
    await pass(1_000);
    expect(mayPull(agent)).toBe(true);
    expect(agents.holder(1)).toBe('n1');
  });

  test('do not take a slot that its holder renews, whatever its clock says', async () => {
    const first = agents.start('n1', 1);
    first.slots.want(true);
    await pass(1_000);
    const second = agents.start('n2', 1);
    second.slots.want(true);
    await pass(30 * minute);
    expect(agents.holder(0)).toBe('n1');
    expect(mayPull(second)).toBe(false);
  });

  test('that choose the same slot at the same time: one gets it, the other takes another', async () => {
    const both = [agents.start('n1', 2, () => 0), agents.start('n2', 2, () => 0)];
    for (const { slots } of both) slots.want(true);
    await pass(1_000);
    expect(both.map(mayPull)).toEqual([true, true]);
    expect([agents.holder(0), agents.holder(1)].toSorted()).toEqual(['n1', 'n2']);
  });
});
