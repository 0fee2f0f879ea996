import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { Candidates, gets, pass, writes } from './candidates.ts';

const second = 1_000;
const leaseTime = 120 * second;
const away = new Failure('network', 'nobody answers');
let candidates: Candidates;

beforeEach(() => {
  vi.useFakeTimers();
  candidates = new Candidates();
});

afterEach(async () => {
  await candidates.stop();
  vi.useRealTimers();
});

describe('the leader', () => {
  test('takes the Lease by one GET and one write, and renews it three times in its time', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    expect(one.leading).toBe(true);
    expect(one.election.state).toBe('leader');
    expect(one.recorder.state).toBe('leader');
    expect(one.cluster.calls).toEqual(['getLease', 'createLease']);
    expect(candidates.lease).toMatchObject({ durationSeconds: 120 });
    expect(candidates.lease?.holder).toMatch(/^n1_/);
    await pass(10 * leaseTime);
    expect(gets(one)).toBe(1);
    expect(writes(one)).toBeGreaterThanOrEqual(27);
    expect(writes(one)).toBeLessThanOrEqual(34);
    expect(one.begun).toBe(1);
  });

  test('tells with its renewals when it was done, and the others read it', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    const two = candidates.start('n2');
    one.election.roundDone(Date.parse('2026-11-21T20:00:00Z'));
    await pass(2 * leaseTime);
    expect(candidates.lease?.annotations).toEqual({ 'resolved-at': '2026-11-21T20:00:00.000Z' });
    expect(two.election.resolvedAt).toBe(Date.parse('2026-11-21T20:00:00Z'));
    expect(two.election.leader).toBe('n1');
  });

  test('gives the Lease back when it stops, and another takes it with its next GET', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    const two = candidates.start('n2');
    await pass(10 * second);
    one.election.roundDone(5_000);
    await one.stop();
    expect(one.leading).toBe(false);
    expect(candidates.lease?.holder).toBe('');
    await pass(leaseTime);
    expect(two.leading).toBe(true);
    expect(two.election.resolvedAt).toBe(5_000);
  });

  test('stops before another can have taken the Lease, where it cannot renew it', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    const two = candidates.start('n2');
    await pass(second);
    one.cluster.away(away);
    let most = 0;
    for (let at = 0; at < 3 * leaseTime; at += second) {
      await pass(second);
      most = Math.max(most, candidates.leaders.length);
    }
    expect(most).toBe(1);
    expect(one.leading).toBe(false);
    expect(two.leading).toBe(true);
    expect(one.election.state).toBe('none');
  });

  test('whose answer was lost goes on: a conflict with itself is none', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    const { holder, durationSeconds } = candidates.lease ?? { holder: '', durationSeconds: 0 };
    candidates.api.setLease({
      name: 'stevedore-coordinator',
      holder,
      durationSeconds,
      renewedAt: Date.now(),
      annotations: {},
    });
    await pass(leaseTime);
    expect(one.leading).toBe(true);
    expect(one.begun).toBe(1);
  });

  test('that finds another holder ends its work', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    candidates.api.setLease({
      name: 'stevedore-coordinator',
      holder: 'n9_12345678',
      durationSeconds: 120,
      renewedAt: Date.now(),
      annotations: {},
    });
    await pass(50 * second);
    expect(one.leading).toBe(false);
    expect(one.election.state).toBe('follower');
    expect(one.election.leader).toBe('n9');
  });

  test('that hangs in a request loses nothing but the Lease', async () => {
    const one = candidates.start('n1');
    await pass(10 * second);
    one.cluster.updateLease = () => new Promise(() => undefined);
    await pass(leaseTime);
    expect(one.leading).toBe(false);
  });

  test('is another agent than a second one of the same node', async () => {
    candidates.start('n1');
    await pass(10 * second);
    candidates.start('n1');
    await pass(3 * leaseTime);
    expect(candidates.leaders).toHaveLength(1);
  });
});

describe('the others', () => {
  test('ask once in a lease time, and not in step', async () => {
    candidates.start('n0');
    await pass(10 * second);
    const others = Array.from({ length: 10 }, (_, index) => candidates.start(`n${index + 1}`, Math.random));
    await pass(2 * leaseTime);
    const before = others.map(gets);
    await pass(10 * leaseTime);
    for (const [index, other] of others.entries()) {
      expect(gets(other) - (before[index] ?? 0)).toBe(10);
      expect(writes(other)).toBe(0);
      expect(other.election.state).toBe('follower');
    }
  });

  test.each([0, 20, 60, 119])('take over within twice the lease time, asking %i s after the renewal', async (phase) => {
    const one = candidates.start('n1', () => 0);
    await pass(second);
    const two = candidates.start('n2', () => 0);
    await pass(3 * leaseTime + phase * second);
    // Killed: nothing is given back.
    one.cluster.away(away);
    const killedAt = performance.now();
    while (!two.leading && performance.now() - killedAt < 3 * leaseTime) await pass(second);
    expect(two.leading).toBe(true);
    // A renewal just before counts from that moment.
    expect(performance.now() - killedAt).toBeLessThanOrEqual(2 * leaseTime);
  });

  test('do not believe a clock: a record that changes is alive however old it says that it is', async () => {
    const two = candidates.start('n2');
    for (let round = 0; round < 12; round += 1) {
      candidates.api.setLease({
        name: 'stevedore-coordinator',
        holder: 'n9_12345678',
        durationSeconds: 120,
        renewedAt: 0,
        annotations: {},
      });
      await pass(40 * second);
    }
    expect(two.leading).toBe(false);
    expect(two.election.isLedBySomebody).toBe(true);
  });

  test('that try at the same time: one leads, the other follows', async () => {
    candidates.start('n1', () => 0);
    candidates.start('n2', () => 0);
    await pass(3 * leaseTime);
    expect(candidates.leaders).toHaveLength(1);
  });

  test('who only observe never take it', async () => {
    const one = candidates.start('n1', () => 0.5, 'observer');
    await pass(5 * leaseTime);
    expect(one.leading).toBe(false);
    expect(one.election.state).toBe('none');
    expect(writes(one)).toBe(0);
  });

  test('who have no part in it do not even ask, and give back what they have when they leave', async () => {
    const one = candidates.start('n1', () => 0.5, 'off');
    await pass(5 * leaseTime);
    expect(one.cluster.calls).toEqual([]);
    expect(one.election.state).toBe('off');
    one.election.setRole('candidate');
    await pass(10 * second);
    expect(one.leading).toBe(true);
    one.election.setRole('off');
    await pass(second);
    expect(one.leading).toBe(false);
    expect(candidates.lease?.holder).toBe('');
  });
});

describe('nobody leads', () => {
  test('where the Lease is forbidden, which is asked again seldom', async () => {
    const one = candidates.start('n1');
    one.cluster.fail('getLease', new Failure('auth', 'no', { detail: 'forbidden' }), 100);
    await pass(3_600 * second);
    expect(one.election.state).toBe('none');
    expect(one.election.isLedBySomebody).toBe(false);
    expect(gets(one)).toBeLessThanOrEqual(9);
  });

  test('as far as is known, when the API server is away for twice the lease time', async () => {
    candidates.start('n1');
    await pass(10 * second);
    const two = candidates.start('n2');
    await pass(2 * leaseTime);
    expect(two.election.state).toBe('follower');
    two.cluster.away(away);
    await pass(4 * leaseTime);
    expect(two.election.state).toBe('none');
    two.cluster.away(undefined);
    await pass(leaseTime);
    expect(two.election.state).toBe('follower');
  });
});
