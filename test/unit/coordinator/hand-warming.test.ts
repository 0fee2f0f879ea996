import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { HandWarmEvent, HandWarmOrder } from '../../../agent/coordinator/hand-warming-events.ts';
import { warmByHand } from '../../../agent/coordinator/hand-warming.ts';
import { ProjectBook } from '../../../agent/coordinator/project-book.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { FakeSourceImage } from '../../fakes/fake-source-image.ts';
import { host, image, name, WarmWorld } from './warm-world.ts';

const both = ['linux/amd64', 'linux/arm64'];
/** Two layers of these sizes, one of 500 bytes and a config of 300 for each platform. */
const sizes = [4_000, 2_000];

let world: WarmWorld;
let index: FakeSourceImage;
let events: HandWarmEvent[];

beforeEach(() => {
  vi.useFakeTimers();
  world = new WarmWorld();
  index = world.addCold(sizes);
  events = [];
  return () => vi.useRealTimers();
});

async function run(order: Partial<HandWarmOrder> = {}, signal = new AbortController().signal) {
  const { harbor, source, warmer } = world;
  const credentialsFor = ({ registry }: { registry: string }) =>
    Promise.resolve([new Credential(registry, world.username, 'secret')]);
  const projects = new ProjectBook({ harbor, credentialsFor });
  const parts = { source, harbor, projects, warmer, isHarbor: (one: string) => one === host };
  const whole: HandWarmOrder = {
    images: [{ reference: image, credentials: [] }],
    platforms: both,
    arePlatformsNamed: false,
    dryRun: 'off',
    knownBytes: new Map(),
    ...order,
  };
  let ended = false;
  const running = warmByHand(whole, parts, (event) => events.push(event), signal).finally(() => {
    ended = true;
  });
  running.catch(() => undefined);
  while (!ended) await vi.advanceTimersByTimeAsync(1_000);
  return await running;
}

const kinds = () => [...new Set(events.map(({ kind }) => kind))];
const last = () => events.at(-1);
const images = (...references: string[]) => references.map((reference) => ({ reference, credentials: [] }));
const childOf = (at: number) => index.children[at]?.digest ?? '';

describe('warming by hand', () => {
  test('warms what is cold, and leaves alone what Harbor says it has', async () => {
    world.storeIn(20_000, index);
    expect(await run()).toBe('success');
    expect(kinds()).toEqual(['image_read', 'blob_begun', 'blob_warm', 'child_warm', 'image_warm', 'done']);
    expect(last()).toMatchObject({ kind: 'done', warm: 1, failed: 0, dryRun: false });
    const reads = world.count('readImage');
    events.length = 0;
    expect(await run()).toBe('noop');
    expect(events.filter(({ kind }) => kind === 'child_warm')).toHaveLength(2);
    expect(kinds()).toEqual(['child_warm', 'image_warm', 'done']);
    // Not even the manifests: that would count as a pull.
    expect(world.count('readImage')).toBe(reads);
  });

  test('an image in no proxy-cache project, and of no Harbor, needs nothing and is not asked for', async () => {
    world.harbor.addProject('own');
    const others = [`${host}/own/app:1`, 'docker.io/library/busybox:1'];
    expect(await run({ images: images(...others) })).toBe('noop');
    expect(
      events.filter(({ kind }) => kind === 'unneeded').map((event) => 'message' in event && event.message),
    ).toEqual(
      expect.arrayContaining([
        `own of ${host} is no proxy-cache project`,
        'docker.io is no registry with harbor: true of the configuration',
      ]),
    );
    expect(last()).toMatchObject({ unneeded: 2, warm: 0, failed: 0 });
    expect(world.source.calls).toEqual([]);
  });

  test('a project that is not there, and an image that is not, fail at once; the others go on', async () => {
    world.store(index);
    const absent = [`${host}/nosuch/app:1`, `${name}:nosuch`, `${host}/app:1`];
    expect(await run({ images: images(image, ...absent) })).toBe('partial');
    const failed = events.filter(({ kind }) => kind === 'failed');
    expect(failed.map((event) => ('code' in event ? event.code : ''))).toEqual(['not_found', 'not_found', 'not_found']);
    expect(last()).toMatchObject({ warm: 1, failed: 3 });
    expect(await run({ images: images(...absent) })).toBe('error');
  });

  test('what passes by itself is tried again by the warmer, what Harbor refuses is told in its words', async () => {
    world.storeIn(20_000, index);
    world.source.faults.fail('readChildren', new Failure('upstream', 'down'));
    expect(await run()).toBe('success');
    world.source.refuse(image, 'current image with 2 vulnerabilities cannot be pulled');
    events.length = 0;
    expect(await run()).toBe('error');
    expect(events[0]).toMatchObject({ kind: 'failed', code: 'policy', message: expect.stringContaining('2 vulnerab') });
  });

  test('what does not get warm by the deadline has failed', async () => {
    world.settings = { ...world.settings, deadlineMs: 60_000 };
    world.source.faults.fail('readImage', new Failure('upstream', 'the upstream is away'), Number.POSITIVE_INFINITY);
    expect(await run()).toBe('error');
    expect(events.at(-2)).toMatchObject({
      kind: 'failed',
      code: 'upstream',
      message: 'it did not get warm within warm.deadline: the upstream is away',
    });
    expect(kinds()).not.toContain('image_cold');
  });

  test('a platform that the image does not have is a failure only where it was named', async () => {
    world.store(index);
    const platforms = ['linux/amd64', 'linux/s390x'];
    expect(await run({ platforms })).toBe('noop');
    const missing = { kind: 'missing_platform', reference: image, platform: 'linux/s390x' };
    expect(events).toContainEqual(missing);
    events.length = 0;
    expect(await run({ platforms, arePlatformsNamed: true })).toBe('partial');
    expect(events).toContainEqual(missing);
    events.length = 0;
    expect(await run({ platforms: ['linux/s390x'] })).toBe('error');
    expect(events[0]).toMatchObject({ kind: 'failed', code: 'no_platform' });
  });

  test('an abort ends it at once, and nothing is told any more', async () => {
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(new Error('stopped')), 2_000);
    await expect(run({}, stopping.signal)).rejects.toThrow('stopped');
    expect(kinds()).not.toContain('done');
    expect(kinds()).not.toContain('failed');
  });
});

describe('a dry run', () => {
  const look = () => run({ dryRun: 'look' });
  const platforms = () => events.filter((event) => event.kind === 'platform');

  test('reads no manifest of an image and opens no blob; sizes are those that somebody found before', async () => {
    expect(await look()).toBe('noop');
    expect(platforms()).toMatchObject([
      { platform: 'linux/amd64', digest: childOf(0), state: 'cold', missingBytes: undefined },
      { platform: 'linux/arm64', digest: childOf(1), state: 'cold', missingBytes: undefined },
    ]);
    expect(last()).toMatchObject({ dryRun: true, cold: 1, warm: 0, missingBytes: undefined });
    expect(new Set(world.source.calls.map(({ method }) => method))).toEqual(new Set(['readChildren']));

    world.harbor.put('hub/library/busybox', { digest: childOf(0) });
    events.length = 0;
    await run({ dryRun: 'look', knownBytes: new Map([[childOf(1), 6_800]]) });
    expect(platforms()).toMatchObject([
      { platform: 'linux/amd64', state: 'warm', missingBytes: 0, message: undefined },
      { platform: 'linux/arm64', state: 'cold', missingBytes: 6_800, message: expect.stringContaining('at most') },
    ]);
    expect(last()).toMatchObject({ cold: 1, missingBytes: 6_800 });
  });

  test('with sizes it counts what is missing, once where platforms share it, and opens no blob', async () => {
    const [first] = index.children[0]?.layers ?? [];
    await world.source.touchBlob(
      { registry: host, repository: 'hub/library/busybox', tag: '1', digest: undefined },
      first?.digest ?? '',
      [],
      new AbortController().signal,
    );
    await vi.advanceTimersByTimeAsync(1_000);
    await run({ dryRun: 'sizes' });
    expect(platforms()).toMatchObject([
      { state: 'cold', missingBytes: 2_800 },
      { state: 'cold', missingBytes: 2_800 },
    ]);
    expect(last()).toMatchObject({ cold: 1, missingBytes: 2_000 + 2 * 800 });
    expect(world.count('touchBlob')).toBe(1);
    expect(world.count('discardBlob')).toBe(0);
  });

  test('a login that may not look is told so, and is no failure', async () => {
    world.username = 'puller';
    expect(await look()).toBe('noop');
    expect(platforms()).toMatchObject(
      both.map((platform) => ({ platform, state: 'unknown', message: expect.stringContaining('artifact:read') })),
    );
    expect(last()).toMatchObject({ cold: 0, unknown: 1, failed: 0 });
  });

  test('a platform that Harbor refuses is a failure, in its words', async () => {
    world.source.refuse(`${name}@${childOf(1)}`, 'not signed by cosign');
    expect(await run({ dryRun: 'sizes' })).toBe('error');
    expect(platforms()).toMatchObject([{ platform: 'linux/amd64', state: 'cold' }]);
    expect(events).toContainEqual({
      kind: 'failed',
      reference: image,
      code: 'policy',
      message: 'not signed by cosign',
    });
  });
});
