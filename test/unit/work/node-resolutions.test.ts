import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { resolvedKey } from '../../../agent/core/resolved-document.ts';
import { sampleDigest, sampleResolutions, sampleResolved } from '../../fakes/resolutions.ts';
import {
  digestOf,
  foreign,
  intervalMs,
  member,
  minuteMs,
  published,
  ResolutionsWorld,
  resolutionsOf,
  sampleNodeConfiguration,
  tag,
  toConfigMaps,
} from './resolutions-world.ts';

let world: ResolutionsWorld;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21) });
  world = new ResolutionsWorld();
});

afterEach(() => {
  world.stop();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('what is published', () => {
  test('counts for what the node asks for, the members of its patterns included, and for nothing else', () => {
    const node = world.start();
    node.setPublished(toConfigMaps(published));
    expect([...node.resolutions.images.keys()].toSorted()).toEqual([tag, member]);
    expect(node.resolutions.patterns.size).toBe(1);
    expect(world.told).toEqual([node.resolutions]);
    expect(node.origin).toEqual({ by: 'coordinator', at: world.leadership.resolvedAt });
    expect(world.recordedAt).toBe(world.leadership.resolvedAt);
  });

  test('is told only when it changes for this node', () => {
    const node = world.start();
    node.setPublished(toConfigMaps(published));
    node.setPublished(toConfigMaps(resolutionsOf({ [tag]: 'a', [member]: 'b', [foreign]: 'd' })));
    node.setLabels({ zone: 'a' });
    expect(world.told).toHaveLength(1);
    node.setPublished(toConfigMaps(resolutionsOf({ [tag]: 'e', [member]: 'b' })));
    expect(world.told).toHaveLength(2);
  });

  test('may come before configuration and labels', () => {
    const node = world.create();
    node.setPublished(toConfigMaps(published));
    node.setLabels({});
    node.setConfiguration(sampleNodeConfiguration());
    expect(digestOf(node)).toBe(sampleDigest('a'));
  });

  test.each([
    ['is gone', () => []],
    ['is empty', () => [{ name: resolvedConfigMaps[0], resourceVersion: '2', data: {} }]],
    ['cannot be read', () => [{ name: resolvedConfigMaps[0], resourceVersion: '2', data: { [resolvedKey]: '{' } }]],
  ])('that %s leaves what was known before in force', (_, later) => {
    const node = world.start();
    node.setPublished(toConfigMaps(published));
    node.setPublished(later());
    expect(digestOf(node, member)).toBe(sampleDigest('b'));
    expect(world.told).toHaveLength(1);
  });
});

describe('where nobody leads', () => {
  test('what was published counts on; after an interval and a part of one at random the node resolves for itself, again and again', async () => {
    const node = world.start(0.5);
    node.setPublished(toConfigMaps(published));
    await pass(10_000);
    world.leadership = { ...world.leadership, state: 'lost' };
    world.own = sampleResolutions([sampleResolved(tag, { digest: sampleDigest('e') })]);
    await pass(1.5 * intervalMs - 20_000);
    expect(world.rounds).toBe(0);
    expect(digestOf(node)).toBe(sampleDigest('a'));
    await pass(minuteMs);
    expect(world.rounds).toBe(1);
    expect(digestOf(node)).toBe(sampleDigest('e'));
    expect(digestOf(node, member)).toBe(sampleDigest('b'));
    expect(node.origin).toMatchObject({ by: 'self' });
    await pass(intervalMs + minuteMs);
    expect(world.rounds).toBe(2);
  });

  test('a node that knows nothing waits minutes, not an interval', async () => {
    world.leadership = { state: 'lost', resolvedAt: undefined };
    world.start(0.5);
    await pass(2 * minuteMs);
    expect(world.rounds).toBe(0);
    await pass(3 * minuteMs);
    expect(world.rounds).toBe(1);
  });

  test('nodes do not begin at once', async () => {
    world.leadership = { state: 'lost', resolvedAt: undefined };
    world.start(0);
    world.start(0.99);
    await pass(minuteMs);
    expect(world.rounds).toBe(1);
  });

  test('what the next leader publishes counts again, not what was published before', async () => {
    world.leadership = { state: 'lost', resolvedAt: Date.now() - 2 * intervalMs };
    const node = world.start();
    node.setPublished(toConfigMaps(published));
    world.own = sampleResolutions([sampleResolved(tag, { digest: sampleDigest('e') })]);
    await pass(minuteMs);
    expect(world.rounds).toBe(1);
    world.leadership = { ...world.leadership, state: 'led' };
    await pass(minuteMs);
    expect(digestOf(node)).toBe(sampleDigest('e'));
    world.leadership = { state: 'led', resolvedAt: Date.now() };
    await pass(10_000);
    expect(digestOf(node)).toBe(sampleDigest('a'));
    expect(node.origin).toMatchObject({ by: 'coordinator' });
    await pass(10 * minuteMs);
    expect(world.rounds).toBe(1);
  });

  test('a leader that publishes nothing for three intervals leads nobody', async () => {
    world.start();
    await pass(2.9 * intervalMs);
    expect(world.rounds).toBe(0);
    await pass(2.2 * intervalMs);
    expect(world.rounds).toBeGreaterThan(0);
  });

  test('a round that fails leaves everything as it was, and comes again', async () => {
    world.leadership = { state: 'alone', resolvedAt: undefined };
    world.own = undefined;
    const node = world.start();
    node.setPublished(published);
    await pass(intervalMs + 5 * minuteMs);
    expect(world.rounds).toBe(2);
    expect(digestOf(node)).toBe(sampleDigest('a'));
  });

  test('a node that is alone resolves at once; one with nothing to resolve never does', async () => {
    world.leadership = { state: 'alone', resolvedAt: undefined };
    world.start();
    await pass(0);
    expect(world.rounds).toBe(1);
    world.leadership = { state: 'off', resolvedAt: undefined };
    await pass(4 * intervalMs);
    expect(world.rounds).toBe(1);
  });
});
