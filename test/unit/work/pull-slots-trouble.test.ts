import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { lists, mayPull, pass, SlotAgents } from './slot-agents.ts';

const minute = 60_000;
const unreachable = new Failure('network', 'connection refused');
let agents: SlotAgents;

beforeEach(() => {
  vi.useFakeTimers();
  agents = new SlotAgents();
});

afterEach(async () => {
  await agents.stop();
  vi.useRealTimers();
});

describe('a slot that is lost', () => {
  test('to another node, while this one was frozen, lets nothing new begin', async () => {
    const agent = agents.start('n1', 1);
    agent.slots.want(true);
    await pass(1_000);
    agents.occupy(0, 'other');
    await pass(23_000);
    expect(mayPull(agent)).toBe(false);
    expect(agent.changes).toBe(2);
    expect(agent.recorder.slotHeld).toBe(false);
  });

  test('is not relied on after its lease time, before anybody was asked', async () => {
    const agent = agents.start('n1', 1);
    agent.slots.want(true);
    await pass(1_000);
    expect(mayPull(agent)).toBe(true);
    const now = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(now + minute);
    expect(mayPull(agent)).toBe(false);
  });

  test('since somebody deleted the Lease is made again', async () => {
    const agent = agents.start('n1', 1);
    agent.slots.want(true);
    await pass(1_000);
    agents.api.removeLease('stevedore-pull-0');
    await pass(23_000);
    expect(agents.holder(0)).toBe('n1');
  });
});

describe('without an answer', () => {
  test.each([
    new Failure('auth', 'leases is forbidden', { detail: 'forbidden' }),
    new Failure('not_found', 'no such namespace'),
  ])('that asking again would change, pulls go on without a slot after a jitter: %s', async (failure) => {
    const agent = agents.start('n1', 1, () => 0.5);
    agent.cluster.away(failure);
    agent.slots.want(true);
    await pass(14_000);
    expect(mayPull(agent)).toBe(false);
    expect(agent.slots.slot).toMatchObject({ until: expect.any(Number) });
    await pass(2_000);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(1);
    expect(lists(agent)).toBe(1);
  });

  test.each([
    unreachable,
    new Failure('timeout', 'no answer in 10 s'),
    new Failure('upstream', '500'),
    new Failure('rate_limited', '429'),
    new Failure('other', '409 of a kind of its own'),
  ])('for minutes, pulls go on without a slot, it is counted, and asked again: %s', async (failure) => {
    const agent = agents.start('n1', 1, () => 0.5);
    agent.cluster.away(failure);
    agent.slots.want(true);
    await pass(3 * minute - 2_000);
    expect(mayPull(agent)).toBe(false);
    expect(agent.slots.slot).toMatchObject({ until: expect.any(Number) });
    await pass(4_000);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(1);
    const before = lists(agent);
    await pass(5 * minute);
    expect(mayPull(agent)).toBe(true);
    expect(lists(agent)).toBe(before + 5);
    agent.cluster.away(undefined);
    await pass(minute);
    expect(agents.holder(0)).toBe('n1');
    expect(mayPull(agent)).toBe(true);
  });

  test('for less than a minute, no node goes on without a slot', async () => {
    agents.occupy(0, 'other', 3_600);
    const nodes = Array.from({ length: 20 }, (_, index) => agents.start(`n${index}`, 1));
    for (const { slots } of nodes) slots.want(true);
    await pass(20_000);
    for (const { cluster } of nodes) cluster.away(unreachable);
    await pass(50_000);
    for (const { cluster } of nodes) cluster.away(undefined);
    await pass(5 * minute);
    expect(nodes.filter(mayPull)).toEqual([]);
    expect(nodes.filter(({ recorder }) => recorder.slotFailedOpen > 0)).toEqual([]);
  });

  test('nodes ask again, but not in step, and no sooner than the server wants', async () => {
    const agent = agents.start('n1', 1);
    agent.cluster.away(new Failure('rate_limited', '429', { retryAfterMs: 40_000 }));
    agent.slots.want(true);
    await pass(39_000);
    expect(lists(agent)).toBe(1);
    agent.cluster.away(unreachable);
    await pass(20_000);
    expect(lists(agent)).toBeGreaterThan(1);
    expect(lists(agent)).toBeLessThan(6);
  });

  test('a held slot is kept for its lease time, then pulls go on without', async () => {
    const agent = agents.start('n1', 1, () => 0.5);
    agent.slots.want(true);
    await pass(1_000);
    agent.cluster.away(unreachable);
    await pass(50_000);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(0);
    await pass(20_000);
    expect(mayPull(agent)).toBe(false);
    await pass(4 * minute);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(1);
  });

  test('a short break loses nothing', async () => {
    const agent = agents.start('n1', 1);
    agent.slots.want(true);
    await pass(1_000);
    agent.cluster.fail('updateLease', unreachable, 2);
    await pass(10 * minute);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(0);
    expect(agent.recorder.slotWaits).toHaveLength(1);
  });
});
