import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PublishedRounds } from '../../../agent/coordinator/published-rounds.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { FakeCluster } from '../../fakes/fake-cluster.ts';
import { CoordinatorWorld, minute, pass, web } from './coordinator-world.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a round is told', () => {
  const forbidden = new Failure('auth', 'forbidden', { detail: 'forbidden' });
  let world: CoordinatorWorld;
  let cluster: FakeCluster;

  beforeEach(() => {
    world = new CoordinatorWorld();
    cluster = new FakeCluster('n1', { api: world.api });
  });

  afterEach(() => world.stop());

  function lead(): void {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([web]));
    world.lead(coordinator);
  }

  function refuse(): void {
    cluster.updateResolved = () => Promise.reject(forbidden);
  }

  test('never while what it found cannot be published', async () => {
    refuse();
    lead();
    await pass(5 * 60 * minute);
    expect(world.asked).not.toEqual([]);
    expect(world.rounds).toEqual([]);
  });

  test('not while one of the ConfigMaps is missing', async () => {
    world.api.removeResolved('stevedore-resolved-0');
    lead();
    await pass(60 * minute);
    expect(world.rounds).toEqual([]);
  });

  test('as soon as it could be published, with the time at which it was done', async () => {
    cluster.fail('updateResolved', forbidden, 8);
    lead();
    const startedAt = Date.now();
    await pass(10_000);
    expect(world.rounds).toEqual([]);
    await pass(50_000);
    expect(world.rounds).toHaveLength(1);
    expect(world.rounds[0]).toBeLessThan(startedAt + 10_000);
  });

  test('also where nothing had to be written, since nothing changed', async () => {
    lead();
    await pass(minute);
    refuse();
    await pass(30 * minute);
    expect(world.rounds.length).toBeGreaterThan(1);
  });
});

describe('that nothing can be published', () => {
  const intervalMs = 30 * minute;
  let said: string[];
  let rounds: PublishedRounds;

  beforeEach(() => {
    said = [];
    const log = {
      ...silentLogger,
      error: () => said.push('error'),
      info: () => said.push('info'),
    };
    rounds = new PublishedRounds({ onRound: () => said.push('round'), log });
  });

  test('is said once, after an interval, and so is its end', () => {
    for (let i = 0; i < 100; i++) {
      rounds.found();
      rounds.attempted(false, intervalMs);
      if (i === 25) expect(said).toEqual([]);
      vi.advanceTimersByTime(minute);
    }
    expect(said).toEqual(['error']);
    rounds.attempted(true, intervalMs);
    rounds.attempted(true, intervalMs);
    expect(said).toEqual(['error', 'info', 'round']);
  });

  test('now and then is no matter', () => {
    for (let i = 0; i < 100; i++) {
      rounds.attempted(i % 20 === 0, intervalMs);
      vi.advanceTimersByTime(minute);
    }
    expect(said).toEqual([]);
  });

  test('does not tell the round of an earlier leadership', () => {
    rounds.found();
    rounds.attempted(false, intervalMs);
    rounds.begin();
    rounds.attempted(true, intervalMs);
    expect(said).toEqual([]);
  });
});
