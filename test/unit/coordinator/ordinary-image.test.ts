import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { fakeSourceIndex, fakeSourceSingle } from '../../fakes/fake-source-image.ts';
import { amd64, arm64, host, interval, minute, ResolverWorld } from './resolver-world.ts';

const web = `${host}/app/web:v1`;
const v1 = fakeSourceIndex('v1', [amd64, arm64]);
const v2 = fakeSourceIndex('v2', [amd64, arm64]);
const digestOf = (image: typeof v1, index = 0): string => image.children[index]?.digest ?? '';
let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.source.add(web, v1);
  world.images = [web];
});

afterEach(() => vi.useRealTimers());

const pass = (ms: number): void => {
  vi.advanceTimersByTime(ms);
};

describe('an image of an ordinary project', () => {
  test('is found with its child and size for each platform that nodes have', async () => {
    world.platforms = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
    const image = await world.image(web);
    expect(image).toMatchObject({ digest: v1.digest, isProxied: false });
    expect(image).not.toHaveProperty('failure');
    expect(image.platforms.map(({ platform, digest }) => [platform, digest])).toEqual([
      ['linux/amd64', digestOf(v1)],
      ['linux/arm64', digestOf(v1, 1)],
    ]);
    expect(image.platforms[0]).toMatchObject({
      imageId: v1.children[0]?.config.digest,
      sizeBytes: 1_800,
      warm: 'unneeded',
    });
  });

  test('is asked for by HEAD alone while it does not change, also where a platform is missing and by a new leader', async () => {
    world.platforms = ['linux/amd64', 'linux/s390x'];
    await world.round();
    const first = world.last;
    for (let round = 0; round < 3; round += 1) {
      pass(interval);
      await world.round();
      expect(world.asked).toEqual([`headManifest ${web}`, `headManifest ${host}/app/web@${digestOf(v1)}`]);
    }
    expect(world.last).toEqual(first);
    world.platforms = ['linux/amd64'];
    await world.round(world.restarted());
    expect(world.asked.filter((call) => call.startsWith('readImage'))).toEqual([]);
  });

  test('is asked for only when it is due', async () => {
    await world.round();
    pass(interval - 2 * minute);
    await world.round();
    expect(world.asked).toEqual([]);
    pass(2 * minute);
    await world.round();
    expect(world.asked).toHaveLength(2);
  });

  test('that somebody else has just resolved is not asked for again by a new leader', async () => {
    await world.round();
    const next = world.restarted();
    next.assume(world.last, 10 * minute);
    await world.round(next);
    expect(world.asked).toEqual([]);
    pass(20 * minute);
    await world.round(next);
    expect(world.asked).toHaveLength(2);
  });

  test('that moved is read once, by digest', async () => {
    await world.round();
    world.source.add(web, v2);
    pass(interval);
    expect(await world.image(web)).toMatchObject({ digest: v2.digest, platforms: [{ digest: digestOf(v2) }] });
    expect(world.asked.filter((call) => call.startsWith('readImage'))).toEqual([
      `readImage ${host}/app/web@${v2.digest}`,
    ]);
  });

  test('gets what a new platform pulls without waiting', async () => {
    await world.round();
    world.platforms = ['linux/amd64', 'linux/arm64'];
    const image = await world.image(web);
    expect(image.platforms).toHaveLength(2);
  });

  test('that is gone, or cannot be asked for, stays as it was with the reason', async () => {
    const before = await world.image(web);
    world.source.remove(web);
    pass(interval);
    expect(await world.image(web)).toEqual({ ...before, failure: { code: 'not_found', message: expect.any(String) } });
    world.source.faults.fail('*', new Failure('network', 'away'));
    pass(interval);
    expect(await world.image(web)).toEqual({ ...before, failure: { code: 'network', message: 'away' } });
    world.source.faults.heal();
    world.source.add(web, v1);
    pass(interval);
    expect(await world.image(web)).toEqual(before);
  });

  test('that failed is tried again sooner, and not at once', async () => {
    world.source.faults.fail('*', new Failure('network', 'away'));
    await world.round();
    pass(10_000);
    await world.round();
    expect(world.asked).toEqual([]);
    pass(60_000);
    await world.round();
    expect(world.asked).not.toEqual([]);
  });

  test('by digest is never asked for again but for the policy', async () => {
    const byDigest = `${host}/app/web@${v1.digest}`;
    world.images = [byDigest];
    expect(await world.image(byDigest)).toMatchObject({ digest: v1.digest });
    pass(interval);
    await world.round();
    expect(world.asked).toEqual([`headManifest ${host}/app/web@${digestOf(v1)}`]);
  });

  test('of a registry that is no Harbor is asked for by tag alone', async () => {
    const other = 'cache.lan:5000/web:v1';
    world.source.add(other, v1);
    world.images = [other];
    await world.round();
    pass(interval);
    await world.round();
    expect(world.asked).toEqual([`headManifest ${other}`]);
    expect(world.harbor.calls).toEqual([]);
  });
});

describe('what Harbor refuses', () => {
  const child = `${host}/app/web@${digestOf(v1)}`;
  const words = 'current image with "Critical" vulnerability cannot be pulled';

  test("is refused for the platform whose child it is, in Harbor's words, and the others are not", async () => {
    world.platforms = ['linux/amd64', 'linux/arm64'];
    world.source.refuse(child, words);
    const image = await world.image(web);
    expect(image.refusal).toBeUndefined();
    expect(image.platforms.map(({ refusal }) => refusal)).toEqual([
      { code: 'policy', detail: 'policy_blocked', message: words },
      undefined,
    ]);
  });

  test('later than it was resolved is noticed by HEAD on the child', async () => {
    await world.round();
    world.source.refuse(child, words);
    pass(interval);
    const image = await world.image(web);
    expect(image.platforms[0]?.refusal?.message).toBe(words);
    expect(image.platforms[0]?.sizeBytes).toBe(1_800);
  });

  test('is asked for again once an hour, or when its scan changed, and measured when it is given out', async () => {
    world.source.refuse(child, words);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Success', severity: 'Critical' } });
    await world.round();
    pass(interval);
    await world.round();
    expect(world.asked).not.toContain(`headManifest ${child}`);
    pass(interval);
    await world.round();
    expect(world.asked).toContain(`headManifest ${child}`);
    world.source.refuse(child, undefined);
    pass(interval);
    await world.round();
    expect(world.asked).not.toContain(`headManifest ${child}`);
    pass(interval + minute);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Success', severity: 'Low' } });
    const image = await world.image(web);
    expect(image.platforms).toMatchObject([{ digest: digestOf(v1), sizeBytes: 1_800 }]);
    expect(image.platforms[0]).not.toHaveProperty('refusal');
  });

  test('is asked for again at once when its scan changed', async () => {
    world.source.refuse(child, words);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Success', severity: 'Critical' } });
    await world.round();
    world.source.refuse(child, undefined);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Success', severity: 'Low' } });
    pass(interval);
    expect((await world.image(web)).platforms[0]).not.toHaveProperty('refusal');
  });

  test('while its first scan runs is looked at each minute, not each interval', async () => {
    world.source.refuse(child, words);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Running', severity: undefined } });
    await world.round();
    world.source.refuse(child, undefined);
    world.harbor.put('app/web', { digest: digestOf(v1), scan: { status: 'Success', severity: 'Low' } });
    pass(minute);
    expect((await world.image(web)).platforms[0]).not.toHaveProperty('refusal');
  });

  test('as a whole is refused as a whole, and asked for by one HEAD an hour', async () => {
    const single = fakeSourceSingle('single');
    world.source.add(web, single);
    world.source.refuse(web, words);
    expect((await world.image(web)).refusal).toMatchObject({ detail: 'policy_blocked', message: words });
    pass(interval);
    await world.round();
    expect(world.asked).toEqual([]);
    pass(interval);
    await world.round();
    expect(world.asked).toEqual([`headManifest ${web}`]);
    world.source.refuse(web, undefined);
    pass(2 * interval);
    const image = await world.image(web);
    expect(image).toMatchObject({ digest: single.digest });
    expect(image).not.toHaveProperty('refusal');
  });

  test('by one HEAD an hour too where a pull-only robot may not read scans', async () => {
    world.username = 'puller';
    world.source.refuse(child, words);
    let heads = 0;
    for (let round = 0; round < 9; round += 1) {
      await world.round();
      heads += world.asked.filter((call) => call === `headManifest ${child}`).length;
      pass(interval);
    }
    expect(heads).toBeLessThanOrEqual(5);
    expect(heads).toBeGreaterThanOrEqual(3);
  });
});
