import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { amd64, arm64, host, interval, ResolverWorld, upstreamAway } from './resolver-world.ts';

const name = `${host}/hub/library/busybox`;
const tag = `${name}:1`;
const upstream = fakeSourceIndex('one', [amd64, arm64]);
/** As Harbor keeps it: trimmed and written anew, so with another digest. */
const local = fakeSourceIndex('one', [amd64], { indexSeed: 'one, kept' });
const release = fakeSourceIndex('two', [amd64, arm64]);
let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.platforms = ['linux/amd64', 'linux/arm64'];
  world.source.add(tag, upstream);
  world.images = [tag];
});

afterEach(() => vi.useRealTimers());

async function next(): Promise<Awaited<ReturnType<ResolverWorld['image']>>> {
  vi.advanceTimersByTime(interval);
  return world.image(tag);
}

const children = ({ platforms }: { platforms: readonly { digest: string }[] }) => platforms.map(({ digest }) => digest);
const childrenOf = (image: typeof upstream) => image.children.map(({ digest }) => digest);

describe('an image behind a proxy-cache project', () => {
  test('is cold at first for each platform, and costs one HEAD by tag while it does not change', async () => {
    const image = await world.image(tag);
    expect(image).toMatchObject({ isProxied: true, digest: upstream.digest });
    expect(image.platforms.map(({ warm }) => warm)).toEqual(['cold', 'cold']);
    expect(await next()).toEqual(image);
    expect(world.asked).toEqual([`headManifest ${tag}`]);
  });

  test('that is cold is not asked for its children, which would make Harbor fetch all their blobs; one that Harbor holds is', async () => {
    const image = await world.image(tag);
    expect(world.asked).toEqual([`headManifest ${tag}`, `readChildren ${tag}`]);
    expect(image.platforms.map(({ digest, imageId, sizeBytes }) => [imageId === digest, sizeBytes])).toEqual([
      [true, 0],
      [true, 0],
    ]);
    const [amd] = upstream.children;
    world.harbor.put('hub/library/busybox', { digest: amd?.digest ?? '' });
    const [held, cold] = (await next()).platforms;
    expect(held).toMatchObject({ imageId: amd?.config.digest, warm: 'cold' });
    expect(held?.sizeBytes).toBeGreaterThan(0);
    expect(cold?.sizeBytes).toBe(0);
    expect(world.asked.filter((one) => one.startsWith('readImage'))).toEqual([`readImage ${name}@${amd?.digest}`]);
  });

  test('needs no warming where nobody warms', async () => {
    world.warms = false;
    expect((await world.image(tag)).platforms.map(({ warm }) => warm)).toEqual(['unneeded', 'unneeded']);
  });

  test('does not change with the index digest that flips with the health of the upstream', async () => {
    const image = await world.image(tag);
    world.source.add(tag, local);
    world.source.probe = upstreamAway;
    expect(await next()).toEqual(image);
    world.source.add(tag, upstream);
    world.source.probe = undefined;
    expect(await next()).toEqual(image);
    // Both forms are known by now: nothing is read again.
    world.source.add(tag, local);
    expect(await next()).toEqual(image);
    expect(world.asked).toEqual([`headManifest ${tag}`]);
  });

  test('changes with a child, sandwiched between two answers of the upstream', async () => {
    await world.round();
    world.source.add(tag, release);
    const image = await next();
    expect(children(image)).toEqual(childrenOf(release));
    expect(image.digest).toBe(release.digest);
    expect(world.asked).toEqual([
      `headManifest ${tag}`,
      `headManifest ${name}:stevedore-probe`,
      `readChildren ${tag}`,
      `headManifest ${name}:stevedore-probe`,
    ]);
  });

  test.each([
    upstreamAway,
    new Failure('rate_limited', 'too many requests'),
    new Failure('upstream', '503'),
    new Failure('timeout', 'no answer'),
  ])('does not go back to an old release in an outage ($message)', async (failure) => {
    await world.round();
    world.source.add(tag, release);
    const image = await next();
    // The tag of Harbor's own store still shows the release before.
    world.source.add(tag, local);
    world.source.probe = failure;
    const now = await next();
    expect(children(now)).toEqual(childrenOf(release));
    expect(now.failure).toMatchObject({ code: 'upstream', detail: 'upstream_unhealthy' });
    world.source.add(tag, release);
    world.source.probe = undefined;
    expect(await next()).toEqual(image);
  });

  test('takes a release on when the upstream answers again, although it was seen before', async () => {
    await world.round();
    world.source.add(tag, release);
    world.source.probe = upstreamAway;
    expect(children(await next())).toEqual(childrenOf(upstream));
    world.source.probe = undefined;
    expect(children(await next())).toEqual(childrenOf(release));
  });

  test('keeps what it was when the tag fails or is not found, with the reason', async () => {
    const image = await world.image(tag);
    for (const failure of [upstreamAway, new Failure('not_found', 'the upstream has no such tag')]) {
      world.source.faults.fail(tag, failure);
      expect(await next()).toEqual({ ...image, failure: expect.objectContaining({ message: failure.message }) });
    }
  });

  test('is not asked for by tag again and again while the upstream hangs: the rest of the project is left alone', async () => {
    world.images = Array.from({ length: 20 }, (_, index) => `${name}:${index}`);
    for (const one of world.images) world.source.add(one, upstream);
    await world.round();
    world.source.faults.fail('headManifest', new Failure('timeout', 'no answer within 10 s'));
    vi.advanceTimersByTime(interval);
    const { images } = await world.round();
    // Four at once are under way before the first two have told.
    expect(world.asked.length).toBeLessThanOrEqual(6);
    expect(
      [...images.values()].every(({ failure, digest }) => failure !== undefined && digest === upstream.digest),
    ).toBe(true);
  });

  test('is tested against the policy by its children once they are warm, and not before', async () => {
    const image = await world.image(tag);
    world.source.refuse(`${name}@${childrenOf(upstream)[0]}`, 'not signed');
    expect(await next()).toEqual(image);
    const platforms = image.platforms.map((one) => ({ ...one, warm: 'warm' as const }));
    world.last = { ...world.last, images: new Map([[tag, { ...image, platforms }]]) };
    const now = await next();
    expect(now.platforms.map(({ refusal }) => refusal?.message)).toEqual(['not signed', undefined]);
    expect(now.platforms.map(({ warm }) => warm)).toEqual(['warm', 'warm']);
  });

  test('is left as it was, and nothing taken for a change, when Harbor does not say which projects are proxies', async () => {
    const image = await world.image(tag);
    world.harbor.fail('listProjects', new Failure('network', 'away'));
    world.source.add(tag, local);
    world.source.probe = upstreamAway;
    expect((await next()).isProxied).toBe(true);
    expect(children(await next())).toEqual(children(image));
  });
});
