import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeCluster } from '../../fakes/fake-cluster.ts';
import { sampleSet } from '../../fakes/samples.ts';
import { box, CoordinatorWorld, minute, pass, web } from './coordinator-world.ts';

let world: CoordinatorWorld;
let cluster: FakeCluster;

beforeEach(() => {
  vi.useFakeTimers();
  world = new CoordinatorWorld();
  cluster = new FakeCluster('n1', { api: world.api });
});

afterEach(async () => {
  await world.stop();
  vi.useRealTimers();
});

describe('without Kubernetes', () => {
  test('the one process does the same for the sets that select it', async () => {
    const coordinator = world.create(undefined);
    const other = sampleSet('other', [box], { nodeSelector: { matchLabels: { zone: 'b' }, matchExpressions: [] } });
    const own = sampleSet('own', [web], { nodeSelector: { matchLabels: { zone: 'a' }, matchExpressions: [] } });
    coordinator.setConfiguration(world.configuration([], { imageSets: [own, other] }));
    world.lead(coordinator);
    await pass(minute);
    expect([...world.memory.images.keys()]).toEqual([web]);
  });

  test('a node that resolves for itself warms nothing, publishes nothing and waits for nothing', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration());
    const found = await coordinator.resolveForOwnNode(await world.published(), new AbortController().signal);
    expect(found.images.get(box)?.platforms.map(({ platform, warm }) => [platform, warm])).toEqual([
      ['linux/amd64', 'unneeded'],
    ]);
    await pass(minute);
    expect(world.source.count('touchBlob')).toBe(0);
    expect((await world.published()).images.size).toBe(0);
    expect(world.recorder.rounds).toHaveLength(1);
    // What a leader that is gone left cold is waited for by nobody.
    const left = [...found.images].map(([name, image]) => {
      const platforms = image.platforms.map((platform) => ({ ...platform, warm: 'cold' as const }));
      return [name, { ...image, platforms }] as const;
    });
    const before = { images: new Map(left), patterns: new Map() };
    const again = await coordinator.resolveForOwnNode(before, new AbortController().signal);
    expect(again.images.get(box)?.platforms.map(({ warm }) => warm)).toEqual(['unneeded']);
  });
});
