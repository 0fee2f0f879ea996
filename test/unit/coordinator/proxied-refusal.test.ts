import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { ResolvedImage, WarmState } from '../../../agent/core/resolution.ts';
import type { FakeSourceImage } from '../../fakes/fake-source-image.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { amd64, arm64, host, interval, minute, ResolverWorld } from './resolver-world.ts';

const repository = 'hub/library/busybox';
const tag = `${host}/${repository}:1`;
const words = 'current image with "Critical" vulnerability cannot be pulled';
let world: ResolverWorld;
let image: FakeSourceImage;
/** Of amd64, and of arm64. */
let children: readonly string[];

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.platforms = ['linux/amd64', 'linux/arm64'];
  world.images = [tag];
  image = world.push(repository, '1', 1);
  children = image.children.map(({ digest }) => `${host}/${repository}@${digest}`);
});

afterEach(() => vi.useRealTimers());

function next(ms = interval): Promise<ResolvedImage> {
  vi.advanceTimersByTime(ms);
  return world.image(tag);
}

function refuse(message: string | undefined, index = 0): void {
  world.source.refuse(children[index] ?? '', message);
}

function become(warm: WarmState): void {
  const images = [...world.last.images].map(([name, record]) => {
    const platforms = record.platforms.map((one) => ({ ...one, warm }));
    return [name, { ...record, platforms }] as const;
  });
  world.last = { ...world.last, images: new Map(images) };
}

/** Scanned anew, with nothing found. */
function scan(index = 0): void {
  const digest = children[index]?.slice(children[index].indexOf('@') + 1) ?? '';
  world.harbor.put(repository, { digest, scan: { status: 'Success', severity: 'None' } });
}

const refusals = ({ platforms }: ResolvedImage) => platforms.map(({ refusal }) => refusal?.message);
const heads = () => world.asked.filter((call) => call.startsWith('headManifest') && call.includes('@'));

describe('a child behind a proxy-cache project that Harbor held and refused when it was first read', () => {
  beforeEach(() => refuse(words));

  test('is asked for again, and known whole when it is given out: the warmer then finds it local', async () => {
    expect(refusals(await world.image(tag))).toEqual([words, undefined]);
    refuse(undefined);
    expect(refusals(await next())).toEqual([words, undefined]);
    const now = await next();
    expect(refusals(now)).toEqual([undefined, undefined]);
    expect(now.platforms[0]).toEqual({
      platform: 'linux/amd64',
      digest: image.children[0]?.digest,
      imageId: image.children[0]?.config.digest,
      sizeBytes: 1_800,
      warm: 'cold',
    });
    expect(world.asked).toEqual([`headManifest ${tag}`, `headManifest ${children[0]}`, `readImage ${children[0]}`]);
    await next();
    expect(world.asked).toEqual([`headManifest ${tag}`]);
  });

  test('is asked for as soon as its scan has changed, and otherwise once an hour', async () => {
    await world.image(tag);
    await next();
    expect(heads()).toEqual([]);
    await next();
    expect(heads()).toEqual([`headManifest ${children[0]}`]);
    refuse(undefined);
    scan();
    expect(refusals(await next())).toEqual([undefined, undefined]);
  });

  test('is asked for at once by a new leader, who knows it from what was published', async () => {
    await world.image(tag);
    refuse(undefined);
    const { images } = await world.round(world.restarted());
    expect(images.get(tag)?.platforms[0]).not.toHaveProperty('refusal');
  });

  test('is read again in the next round when that failed', async () => {
    await world.image(tag);
    refuse(undefined);
    world.source.faults.fail('readImage', new Failure('network', 'away'), 1);
    const failed = await next(2 * interval);
    expect(failed).toMatchObject({ failure: { message: 'away' }, platforms: [{ sizeBytes: 0 }, {}] });
    expect(refusals(failed)).toEqual([undefined, undefined]);
    const now = await next();
    expect(now.failure).toBeUndefined();
    expect(now.platforms[0]).toMatchObject({ imageId: image.children[0]?.config.digest, sizeBytes: 1_800 });
  });

  test('that is refused anew before it was read is told so', async () => {
    await world.image(tag);
    refuse(undefined);
    world.source.faults.fail('readImage', new Failure('network', 'away'), 1);
    await next(2 * interval);
    refuse('not signed');
    expect(refusals(await next())).toEqual(['not signed', undefined]);
  });
});

describe('a child behind a proxy-cache project that is not warm', () => {
  const states = [
    ['where nobody warms', 'unneeded'],
    ['that was given up', 'given_up'],
  ] as const;

  test.each(states)('%s is tested against the policy where Harbor holds it', async (_, state) => {
    world.warms = state !== 'unneeded';
    await world.round();
    become(state);
    refuse(words, 1);
    const now = await next();
    expect(refusals(now)).toEqual([undefined, words]);
    expect(now.platforms.map(({ warm }) => warm)).toEqual([state, state]);
    expect(now.platforms[1]).toMatchObject({ imageId: image.children[1]?.config.digest, sizeBytes: 1_800 });
    refuse(undefined, 1);
    expect(refusals(await next(2 * interval))).toEqual([undefined, undefined]);
  });

  test('and was refused while nobody warmed is asked for again once somebody warms', async () => {
    world.warms = false;
    await world.round();
    refuse(words);
    expect(refusals(await next())).toEqual([words, undefined]);
    world.warms = true;
    refuse(undefined);
    const now = await next(2 * interval);
    expect(refusals(now)).toEqual([undefined, undefined]);
    expect(now.platforms.map(({ warm }) => warm)).toEqual(['cold', 'cold']);
  });

  test.each(states)('%s costs no upstream request where Harbor does not hold it', async (_, state) => {
    const other = `${host}/hub/library/nginx:1`;
    world.source.add(other, fakeSourceIndex('nginx', [amd64, arm64]));
    world.images = [other];
    world.warms = state !== 'unneeded';
    await world.round();
    become(state);
    vi.advanceTimersByTime(interval);
    await world.round();
    expect(world.asked).toEqual([`headManifest ${other}`]);
  });

  test.each(states)('%s is asked for too by a login that may not look whether Harbor holds it', async (_, state) => {
    world.username = 'puller';
    world.warms = state !== 'unneeded';
    await world.round();
    become(state);
    refuse(words, 1);
    expect(refusals(await next())).toEqual([undefined, words]);
  });

  test("where it cannot be told whether Harbor holds it: an upstream that is away or hangs then is nobody else's trouble", async () => {
    world.username = 'puller';
    world.warms = false;
    const web = `${host}/app/web:v1`;
    world.push('app/web', 'v1', 1);
    world.images = [1, 2, 3, 4].map((index) => `${host}/hub/library/box${index}:1`).concat(web);
    for (const index of [1, 2, 3, 4]) world.push(`hub/library/box${index}`, '1', 1);
    const before = await world.round();
    for (const { reference, platforms } of before.images.values()) {
      if (reference === web) continue;
      const name = reference.slice(0, reference.lastIndexOf(':'));
      for (const { digest } of platforms)
        world.source.faults.fail(`${name}@${digest}`, new Failure('timeout', 'hangs'));
    }
    vi.advanceTimersByTime(interval);
    expect(await world.round()).toEqual(before);
  });

  test('and is being warmed is left to the warmer', async () => {
    await world.round();
    await next();
    expect(world.asked).toEqual([`headManifest ${tag}`]);
    expect(world.harbor.calls.filter(({ method }) => method === 'readArtifact')).toEqual([]);
  });
});

test('a child that is refused stays known by its image id when its index is read again', async () => {
  const before = await world.image(tag);
  become('warm');
  refuse(words);
  // As Harbor keeps it: written anew.
  world.source.add(tag, { ...image, digest: fakeSourceIndex('kept', [amd64]).digest });
  const now = await next();
  expect(refusals(now)).toEqual([words, undefined]);
  expect(now.platforms[0]).toMatchObject({ imageId: before.platforms[0]?.imageId, sizeBytes: 1_800 });
});

test('an image by the digest of its only manifest is asked for once an hour while it is refused', async () => {
  world.platforms = ['linux/amd64'];
  const [child = ''] = children;
  world.images = [child];
  await world.round();
  become('warm');
  refuse(words);
  const asked: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    vi.advanceTimersByTime(interval + minute);
    await world.round();
    asked.push(heads().length);
  }
  expect(asked).toEqual([1, 0, 1, 0, 1, 0]);
});

test('a child that is refused stays so when only its index is read again', async () => {
  world.warms = false;
  await world.round();
  refuse(words);
  expect(refusals(await next())).toEqual([words, undefined]);
  world.warms = true;
  world.source.add(tag, { ...image, digest: fakeSourceIndex('kept', [amd64]).digest });
  const now = await next();
  expect(refusals(now)).toEqual([words, undefined]);
});
