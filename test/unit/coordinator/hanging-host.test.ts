import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Credential } from '../../../agent/core/credentials.ts';
import { untilAborted } from '../../../agent/core/abort.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageReference } from '../../../agent/core/image-reference.ts';
import type { Resolutions } from '../../../agent/core/resolution.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { amd64, host, interval, minute, ResolverWorld, toPattern } from './resolver-world.ts';

let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
});

afterEach(() => vi.useRealTimers());

const timeoutMs = 30_000;
const other = 'registry.example/tools/curl:1';

/** The registry of a host takes the connection, and never answers. */
function hang(hanging: string): void {
  const head = world.source.headManifest.bind(world.source);
  world.source.headManifest = async (
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ) => {
    if (reference.registry !== hanging) return head(reference, credentials, signal);
    world.source.calls.push({ method: 'headManifest', reference: '', digest: undefined, username: undefined });
    await untilAborted(new Promise((resolve) => setTimeout(resolve, timeoutMs)), signal);
    throw new Failure('timeout', 'no answer within 30 s');
  };
}

/** How long a round takes, ms, and what comes of it. */
async function timed(): Promise<{ readonly tookMs: number; readonly resolutions: Resolutions }> {
  const startedAt = performance.now();
  let tookMs: number | undefined;
  const round = world.round().finally(() => {
    tookMs = performance.now() - startedAt;
  });
  while (tookMs === undefined) await vi.advanceTimersByTimeAsync(1_000);
  return { tookMs, resolutions: await round };
}

describe('a Harbor that hangs', () => {
  const webs = Array.from({ length: 100 }, (_, index) => `${host}/app/web:v${index}`);

  beforeEach(async () => {
    world.images = [...webs, other];
    for (let index = 0; index < 100; index += 1) world.push('app/web', `v${index}`, index);
    world.source.add(other, fakeSourceIndex('curl', [amd64]));
    await world.round();
    vi.advanceTimersByTime(interval);
  });

  test('costs a round some time-outs, not one for each image; what was known stays', async () => {
    const before = world.last;
    hang(host);
    const { tookMs, resolutions } = await timed();
    expect(tookMs).toBeLessThan(3 * timeoutMs);
    for (const web of webs) {
      expect(resolutions.images.get(web)).toMatchObject({
        digest: before.images.get(web)?.digest,
        failure: { code: 'timeout' },
      });
    }
    expect(world.source.calls.length).toBeLessThan(10);
  });

  test('has no part in what other hosts answer', async () => {
    const moved = fakeSourceIndex('curl 2', [amd64]);
    world.source.add(other, moved);
    hang(host);
    const { resolutions } = await timed();
    expect(resolutions.images.get(other)).toMatchObject({ digest: moved.digest });
    expect(resolutions.images.get(other)).not.toHaveProperty('failure');
  });

  test('is asked again in the next round, soon', async () => {
    const head = world.source.headManifest.bind(world.source);
    hang(host);
    await timed();
    world.source.headManifest = head;
    const inMs = world.resolver.nextDueAt - performance.now();
    expect(inMs).toBeLessThanOrEqual(5 * minute);
    vi.advanceTimersByTime(5 * minute);
    const { images } = await world.round();
    expect([...images.values()].filter(({ failure }) => failure !== undefined)).toEqual([]);
  });

  test('or cannot be reached is told from one that fails now and then', async () => {
    for (const web of webs.slice(0, 50)) world.source.faults.fail(web, new Failure('upstream', '502'));
    const { images } = await world.round();
    expect([...images.values()].filter(({ failure }) => failure !== undefined)).toHaveLength(50);
    vi.advanceTimersByTime(interval);
    world.source.faults.heal();
    world.source.faults.fail('headManifest', new Failure('network', 'refused'));
    await world.round();
    expect(world.source.calls.filter(({ reference }) => reference.startsWith(host)).length).toBeLessThan(10);
  });
});

test('an API that hangs costs each pattern no time-out of its own', async () => {
  world.patterns = Array.from({ length: 20 }, (_, index) => toPattern({ repository: `llm-${index}` }));
  for (let index = 0; index < 20; index += 1) world.push(`app/llm-${index}`, 'v1', index);
  await world.round();
  vi.advanceTimersByTime(interval);
  world.harbor.listArtifacts = (_login, _project, _repository, _query, signal) =>
    untilAborted(new Promise(() => undefined), signal);
  const { tookMs, resolutions } = await timed();
  expect(tookMs).toBeLessThan(3 * minute);
  for (const { members, failure } of resolutions.patterns.values()) {
    expect(members).toHaveLength(1);
    expect(failure?.code).toBe('timeout');
  }
});

test('upstreams of proxy-cache projects that hang are not held against their Harbor', async () => {
  for (const project of ['one', 'two', 'three', 'four']) world.harbor.addProject(project, { upstreamId: 8 });
  const web = `${host}/app/web:v1`;
  world.images = [...['one', 'two', 'three', 'four'].map((project) => `${host}/${project}/library/x:1`), web];
  for (const image of world.images)
    world.push(image.slice(host.length + 1, image.lastIndexOf(':')), image.split(':')[1] ?? '', 1);
  await world.round();
  vi.advanceTimersByTime(interval);
  const moved = world.push('app/web', 'v1', 2);
  for (const image of world.images.slice(0, -1)) world.source.faults.fail(image, new Failure('timeout', 'slow'));
  await world.round();
  expect(world.last.images.get(web)).toMatchObject({ digest: moved.digest });
  expect(world.last.images.get(web)).not.toHaveProperty('failure');
});
