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
    unreachable,
    new Failure('timeout', 'no answer in 10 s'),
    new Failure('upstream', '500'),
    new Failure('rate_limited', '429'),
    new Failure('auth', 'leases is forbidden', { detail: 'forbidden' }),
    new Failure('not_found', 'no such namespace'),
  ])('pulls go on without a slot after a jitter, it is counted, and asked again: %s', async (failure) => {
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
    await pass(5 * minute);
    expect(mayPull(agent)).toBe(true);
    expect(lists(agent)).toBe(6);
    agent.cluster.away(undefined);
    await pass(minute);
    expect(agents.holder(0)).toBe('n1');
    expect(mayPull(agent)).toBe(true);
  });

  test('a held slot is kept for its lease time, then pulls go on without', async () => {
    const agent = agents.start('n1', 1, () => 0.5);
    agent.slots.want(true);
    await pass(1_000);
    agent.cluster.away(unreachable);
    await pass(50_000);
    expect(mayPull(agent)).toBe(true);
    expect(agent.recorder.slotFailedOpen).toBe(0);
    await pass(40_000);
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
