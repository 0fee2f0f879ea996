import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { FakeCluster } from '../../fakes/fake-cluster.ts';
import { box, CoordinatorWorld, host, minute, pass, web } from './coordinator-world.ts';

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

const warmStates = async (): Promise<readonly string[] | undefined> =>
  (await world.published()).images.get(box)?.platforms.map(({ warm }) => warm);

describe('the leader', () => {
  test('resolves, publishes, warms, and publishes that too', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration());
    world.lead(coordinator);
    await pass(100);
    const first = await world.published();
    expect(first.images.get(web)).toMatchObject({ digest: world.web.digest, isProxied: false });
    expect(await warmStates()).toEqual(['cold']);
    expect(first.images.get(box)?.platforms[0]?.sizeBytes).toBe(0);
    expect(world.rounds).toHaveLength(1);
    expect(world.recorder.rounds).toEqual([{ images: 2, patterns: 0, failed: 0, refused: 0 }]);
    expect(world.recorder.warm).toEqual({ warm: 0, cold: 1 });
    await pass(5_000);
    world.store(world.box);
    await pass(10_000);
    expect(await warmStates()).toEqual(['warm']);
    // What only the child's manifest tells comes with that.
    const [child] = (await world.published()).images.get(box)?.platforms ?? [];
    expect(child?.imageId).toBe(world.box.children[0]?.config.digest);
    expect(child?.sizeBytes).toBeGreaterThan(0);
    expect(world.recorder.warm).toEqual({ warm: 1, cold: 0 });
    expect(world.recorder.warmings).toHaveLength(1);
    expect(world.recorder.reachable.get(host)).toBe(true);
    expect(world.recorder.quotas.get(`${host}/app`)).toEqual({ usedBytes: 0, hardBytes: undefined });
  });

  test('asks once per interval and image, however long it leads, and writes nothing where nothing changed', async () => {
    const coordinator = world.create(cluster);
    world.store(world.box);
    coordinator.setConfiguration(world.configuration());
    world.lead(coordinator);
    await pass(20 * minute);
    world.source.calls.length = 0;
    cluster.calls.length = 0;
    await pass(10 * 30 * minute);
    const heads = world.asked.filter((call) => call === `headManifest ${web}`).length;
    expect(heads).toBeGreaterThanOrEqual(10);
    expect(heads).toBeLessThanOrEqual(11);
    expect(world.asked.filter((call) => call.startsWith('readImage') || call.startsWith('touchBlob'))).toEqual([]);
    expect(cluster.calls.filter((call) => call === 'updateResolved')).toEqual([]);
    expect(cluster.calls.filter((call) => call === 'listNodes').length).toBeLessThanOrEqual(70);
  });

  test('works on a new configuration at once', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([web]));
    world.lead(coordinator);
    await pass(minute);
    coordinator.setConfiguration(world.configuration([web, box]));
    await pass(100);
    expect([...(await world.published()).images.keys()].toSorted()).toEqual([web, box].toSorted());
    expect(world.asked.filter((call) => call === `headManifest ${web}`)).toHaveLength(1);
  });

  test('resolves for the platforms that the nodes have, also for one that joins', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([web]));
    world.lead(coordinator);
    await pass(100);
    world.api.setNode('n2', { labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' } });
    await pass(6 * minute);
    const platforms = (await world.published()).images.get(web)?.platforms.map(({ platform }) => platform);
    expect(platforms).toEqual(['linux/amd64', 'linux/arm64']);
  });

  test('goes on with what was published before it led, and keeps it while Harbor is away', async () => {
    const first = world.create(cluster);
    first.setConfiguration(world.configuration([web]));
    const stop = world.lead(first);
    await pass(minute);
    await stop();
    const before = await world.published();
    world.source.faults.fail('*', new Failure('network', 'away'));
    world.harbor.fail('listProjects', new Failure('network', 'away'));
    world.harbor.fail('health', new Failure('network', 'away'));
    const second = world.create(new FakeCluster('n2', { api: world.api }));
    second.setConfiguration(world.configuration([web]));
    world.lead(second);
    await pass(minute);
    expect((await world.published()).images.get(web)).toEqual({
      ...before.images.get(web),
      failure: expect.objectContaining({ code: 'network' }),
    });
    expect(world.recorder.reachable.get(host)).toBe(false);
  });

  test('does not begin before it knows what was published', async () => {
    cluster.fail('readResolved', new Failure('network', 'away'), 3);
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([web]));
    world.lead(coordinator);
    await pass(20_000);
    expect(world.asked).toEqual([]);
    await pass(20_000);
    expect(world.asked).not.toEqual([]);
  });

  test('that follows one who has just resolved asks for nothing before its time', async () => {
    const first = world.create(cluster);
    first.setConfiguration(world.configuration([web]));
    const stop = world.lead(first);
    await pass(minute);
    await stop();
    world.source.calls.length = 0;
    world.resolvedAt = Date.now() - minute;
    const second = world.create(new FakeCluster('n2', { api: world.api }));
    second.setConfiguration(world.configuration([web]));
    world.lead(second);
    await pass(25 * minute);
    expect(world.asked).toEqual([]);
    await pass(6 * minute);
    expect(world.asked).toContain(`headManifest ${web}`);
  });

  test('publishes again what could not be written', async () => {
    cluster.fail('updateResolved', new Failure('network', 'away'), 8);
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([web]));
    world.lead(coordinator);
    await pass(1_000);
    expect((await world.published()).images.size).toBe(0);
    await pass(minute);
    expect((await world.published()).images.size).toBe(1);
  });

  test('ends at once, with all that it had begun', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration());
    const stop = world.lead(coordinator);
    await pass(200);
    await stop();
    expect(world.recorder.warm).toEqual({ warm: 0, cold: 0 });
    const { length } = world.asked;
    await pass(10 * minute);
    expect(world.asked).toHaveLength(length);
    expect(world.recorder.warmings).toMatchObject([{ outcome: 'aborted' }]);
  });
});

describe('warming', () => {
  async function warmed(): Promise<void> {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(world.configuration([box]));
    world.lead(coordinator);
    world.store(world.box);
    await pass(minute);
    expect(await warmStates()).toEqual(['warm']);
  }

  test('is done once for each child, until Harbor says that it is gone', async () => {
    await warmed();
    const { length } = world.recorder.warmings;
    await pass(5 * 30 * minute);
    expect(world.recorder.warmings).toHaveLength(length);
    world.harbor.projects.get('hub')?.repositories.clear();
    await pass(31 * minute);
    expect(await warmStates()).toEqual(['cold']);
    world.store(world.box);
    await pass(10 * minute);
    expect(await warmStates()).toEqual(['warm']);
    expect(world.recorder.warmings).toHaveLength(length + 1);
  });

  test('of a release that was pushed meanwhile ends, and begins for the new one', async () => {
    const coordinator = world.create(cluster);
    coordinator.setConfiguration(
      world.configuration([box], { coordinator: { enabled: true, intervalMs: 5 * minute, keepAlive: false } }),
    );
    world.lead(coordinator);
    await pass(2 * minute);
    const release = fakeSourceIndex('release', [{ os: 'linux', architecture: 'amd64' }]);
    world.addCold(release);
    await pass(6 * minute);
    world.store(release);
    await pass(minute);
    expect((await world.published()).images.get(box)?.platforms).toMatchObject([
      { digest: release.children[0]?.digest, warm: 'warm' },
    ]);
    expect(world.recorder.warmings.map(({ outcome }) => outcome)).toEqual(['aborted', 'warm']);
  });

  test('that is given up is said so, and tried again after an interval while nobody waits', async () => {
    const coordinator = world.create(cluster);
    const warm = { ...world.configuration().warm, deadlineMs: 10 * minute };
    coordinator.setConfiguration(world.configuration([box], { warm }));
    world.lead(coordinator);
    await pass(11 * minute);
    expect(await warmStates()).toEqual(['given_up']);
    expect(world.recorder.warmings.map(({ outcome }) => outcome)).toEqual(['given_up']);
    await pass(50 * minute);
    expect(world.recorder.warmings.map(({ outcome }) => outcome)).toEqual(['given_up', 'given_up']);
    expect(await warmStates()).toEqual(['given_up']);
  });

  test('is left out where it is switched off: nobody waits', async () => {
    const coordinator = world.create(cluster);
    const warm = { ...world.configuration().warm, enabled: false };
    coordinator.setConfiguration(world.configuration([box], { warm }));
    world.lead(coordinator);
    await pass(minute);
    expect(await warmStates()).toEqual(['unneeded']);
    expect(world.source.count('touchBlob')).toBe(0);
  });
});
