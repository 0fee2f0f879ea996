import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { noResolutions } from '../../../agent/core/resolution.ts';
import type { NodeResolutions } from '../../../agent/work/node-resolutions.ts';
import { sampleDigest, sampleResolutions, sampleResolved } from '../../fakes/resolutions.ts';
import {
  digestOf,
  intervalMs,
  minuteMs,
  published,
  ResolutionsWorld,
  sampleNodeConfiguration,
  tag,
  toConfigMaps,
} from './resolutions-world.ts';

const yearMs = 365 * 86_400_000;
const begin = Date.UTC(2026, 10, 21);
let stop: AbortController;
let world: ResolutionsWorld;

beforeEach(() => {
  vi.useFakeTimers({ now: begin });
  world = new ResolutionsWorld();
  stop = new AbortController();
});

afterEach(() => {
  world.stop();
  stop.abort();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** The leader's clock is off by so much. */
async function passLed(ms: number, offMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5 * minuteMs) {
    world.leadership = { state: 'led', resolvedAt: Date.now() + offMs };
    await pass(5 * minuteMs);
  }
}

describe('who leads', () => {
  test.each([
    ['behind', -4 * intervalMs],
    ['a year ahead', yearMs],
  ])('is believed though its clock is %s, and missed an interval after it told something last', async (_, offMs) => {
    const node = world.start(0);
    node.setPublished(toConfigMaps(published));
    await passLed(20 * intervalMs, offMs);
    world.leadership = { ...world.leadership, state: 'lost' };
    await pass(0.8 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(0.3 * intervalMs);
    expect(world.rounds).toBe(1);
  });

  test('and stops telling leads nobody, though its clock is ahead', async () => {
    const node = world.start(0);
    node.setPublished(toConfigMaps(published));
    await passLed(intervalMs, yearMs);
    await pass(2.7 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(0.3 * intervalMs);
    expect(world.rounds).toBe(1);
  });

  test('and has never told of a round gets three intervals, not a day', async () => {
    world.leadership = { state: 'led', resolvedAt: undefined };
    const node = world.start(0);
    world.own = sampleResolutions([sampleResolved(tag, { digest: sampleDigest('e') })]);
    await pass(2.9 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(1.2 * intervalMs);
    expect(world.rounds).toBeGreaterThan(0);
    expect(digestOf(node)).toBe(sampleDigest('e'));
  });

  test('is believed with a short interval too: what it tells is read each two minutes only', async () => {
    const shortMs = 30_000;
    const node = world.start(0, { coordinator: { enabled: true, intervalMs: shortMs, keepAlive: false } });
    node.setPublished(toConfigMaps(published));
    for (let looks = 0; looks < 5; looks++) {
      await pass(160_000);
      world.leadership = { state: 'led', resolvedAt: Date.now() };
    }
    await pass(240_000);
    expect(world.rounds).toBe(0);
    await pass(2 * shortMs);
    expect(world.rounds).toBeGreaterThan(0);
  });

  test('gets no new time for telling nothing by being the next one', async () => {
    world.start(0.99).setPublished(toConfigMaps(published));
    const { resolvedAt } = world.leadership;
    for (let leaders = 0; leaders < 6; leaders++) {
      world.leadership = { state: 'led', resolvedAt };
      await pass(0.9 * intervalMs);
      world.leadership = { state: 'lost', resolvedAt };
      await pass(10_000);
    }
    expect(world.rounds).toBeGreaterThan(0);
  });

  test('gets its time anew where there was nothing to resolve meanwhile', async () => {
    world.start(0).setPublished(toConfigMaps(published));
    const led = world.leadership;
    await pass(2.9 * intervalMs);
    world.leadership = { state: 'off', resolvedAt: undefined };
    await pass(10 * intervalMs);
    world.leadership = led;
    await pass(2.9 * intervalMs);
    expect(world.rounds).toBe(0);
  });

  test('counts again with what it publishes after a long silence', async () => {
    const node = world.start(0);
    node.setPublished(toConfigMaps(published));
    world.own = sampleResolutions([sampleResolved(tag, { digest: sampleDigest('e') })]);
    await pass(4 * intervalMs);
    expect(digestOf(node)).toBe(sampleDigest('e'));
    const { rounds } = world;
    await passLed(4 * intervalMs, -2 * intervalMs);
    expect(digestOf(node)).toBe(sampleDigest('a'));
    expect(world.rounds).toBe(rounds);
  });
});

describe('a clock that is set', () => {
  test.each([
    ['back', -yearMs],
    ['forward', yearMs],
  ])('%s a year neither stops nor hurries a node that resolves for itself', async (_, byMs) => {
    world.leadership = { state: 'lost', resolvedAt: begin };
    world.start(0).setPublished(toConfigMaps(published));
    await pass(intervalMs + minuteMs);
    expect(world.rounds).toBe(1);
    vi.setSystemTime(begin + byMs);
    await pass(0.5 * intervalMs);
    expect(world.rounds).toBe(1);
    await pass(5 * intervalMs);
    expect(world.rounds).toBeGreaterThan(4);
    expect(world.rounds).toBeLessThan(8);
  });

  test.each([
    ['back', -yearMs],
    ['forward', yearMs],
  ])('%s while the first own round is waited for changes nothing', async (_, byMs) => {
    world.leadership = { state: 'lost', resolvedAt: begin };
    world.start(0.5).setPublished(toConfigMaps(published));
    await pass(minuteMs);
    vi.setSystemTime(begin + byMs);
    await pass(1.4 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(0.2 * intervalMs);
    expect(world.rounds).toBe(1);
  });
});

describe('after a restart', () => {
  async function restart(resolvedAt: number): Promise<NodeResolutions> {
    world.leadership = { state: 'lost', resolvedAt: undefined };
    const node = world.create(0.5);
    await node.load({ load: async () => ({ resolutions: published, resolvedAt }), save: async () => undefined });
    node.setConfiguration(sampleNodeConfiguration());
    node.setLabels({});
    void node.run(stop.signal);
    return node;
  }

  test('what is kept of a time soon ago is waited for to get old', async () => {
    const node = await restart(begin - 0.5 * intervalMs);
    expect(node.ageMs).toBe(0.5 * intervalMs);
    await pass(0.9 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(0.2 * intervalMs);
    expect(world.rounds).toBe(1);
  });

  test.each([
    ['a year ago', begin - yearMs],
    ['a year ahead, as the clock was wrong', begin + yearMs],
  ])('what is kept of %s is old', async (_, resolvedAt) => {
    const node = await restart(resolvedAt);
    expect(node.ageMs).toBeGreaterThan(intervalMs);
    await pass(0.6 * intervalMs);
    expect(world.rounds).toBe(1);
    expect(node.ageMs).toBeLessThan(intervalMs);
  });

  test.each([
    ['and of which nobody tells', undefined],
    ['though somebody has just told of a round', begin],
  ])('what is not known %s is resolved within minutes', async (_, resolvedAt) => {
    world.leadership = { state: 'lost', resolvedAt };
    const node = world.start(0.99);
    node.setPublished(noResolutions);
    await pass(6 * minuteMs);
    expect(world.rounds).toBe(1);
  });
});
