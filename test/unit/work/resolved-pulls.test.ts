/** What was resolved for a node decides what it pulls, by which name, and what it leaves alone. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import type { ResolvedFailure, ResolvedImage, Resolutions } from '../../../agent/core/resolution.ts';
import type { FakeImage } from '../../fakes/fake-image.ts';
import { FakeNode } from '../../fakes/fake-node.ts';
import { samplePattern, sampleResolutions, sampleResolved } from '../../fakes/resolutions.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const tag = 'harbor.example/cache/app:1';
const repository = 'harbor.example/cache/app';
const registries = [
  {
    host: 'harbor.example',
    harbor: true,
    plainHTTP: false,
    insecureSkipVerify: false,
    caFile: undefined,
    tokenHosts: [],
  },
];
const never = new AbortController().signal;
const refusal: ResolvedFailure = { code: 'policy', detail: 'policy_blocked', message: 'severity of High' };
let node: FakeNode;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

async function start(options: ConstructorParameters<typeof FakeNode>[0] = {}): Promise<void> {
  node = new FakeNode(options);
  void node.start();
  node.reconciler.setNode(standaloneNode('n1', {}));
  await pass();
}

async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

function want(pullPolicy: 'Always' | 'IfNotPresent' = 'Always'): void {
  node.configure({ ...sampleConfiguration([sampleSet('s', [tag], { pullPolicy })]), registries });
}

/** What the tag's registry has, and what the coordinator says of it. */
function release(bytes: number): FakeImage {
  return node.runtime.registry.add(tag, { layers: [bytes] });
}

function resolved(image: FakeImage, more: Partial<ResolvedImage> = {}, refused?: ResolvedFailure): Resolutions {
  const child = {
    platform: 'linux/amd64',
    digest: image.manifestDigest,
    imageId: image.id,
    sizeBytes: 1_000,
    warm: 'warm' as const,
    ...(refused === undefined ? {} : { refusal: refused }),
  };
  const record = { reference: tag, digest: 'sha256:index', isProxied: true, platforms: [child], ...more };
  return { images: new Map([[tag, record]]), patterns: new Map() };
}

async function names(): Promise<string[]> {
  return (await node.runtime.listImages(never)).flatMap(({ tags, digests }) => [...tags, ...digests]).toSorted();
}

describe.each(['containerd', 'docker'] as const)('behind a proxy cache, on %s', (like) => {
  beforeEach(() => start({ like }));

  test('the child is pulled, never the tag, and the tag names it', async () => {
    const image = release(1_000);
    const child = `${repository}@${image.manifestDigest}`;
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass();
    expect(await names()).toEqual([tag, child].toSorted());
    expect([...new Set(node.runtime.registry.resolved)]).toEqual([child]);
    expect(node.recorder.sets).toMatchObject([{ desired: 1, present: 1 }]);
  });

  test('another index digest of the same child is no release, and costs no question', async () => {
    const image = release(1_000);
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass();
    node.runtime.registry.resolved.length = 0;
    node.reconciler.setResolutions(resolved(image, { digest: 'sha256:local' }));
    await pass(7_200_000);
    expect(node.runtime.registry.resolved).toEqual([]);
  });

  test('another child is pulled and gets the tag', async () => {
    node.reconciler.setResolutions(resolved(release(1_000)));
    want();
    await pass();
    const next = release(2_000);
    node.reconciler.setResolutions(resolved(next));
    await pass();
    const holder = (await node.runtime.listImages(never)).find(({ tags }) => tags.includes(tag));
    expect(holder?.id).toBe(next.id);
    expect(node.runtime.registry.resolved).not.toContain(tag);
  });

  test('a child that cannot be named by its tag is a failed pull, tried again', async () => {
    const image = release(1_000);
    node.runtime.failNext('addName', new Failure('runtime', 'no more names'));
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass();
    expect(node.recorder.failures).toEqual(['runtime']);
    expect(node.looked?.plan.waiting).toMatchObject([{ reference: tag, reason: 'backoff' }]);
    await pass(600_000);
    expect(await names()).toContain(tag);
  });

  test('a pull of an earlier child stops for the next one', async () => {
    const first = release(1_000);
    node.runtime.holdPull(`${repository}@${first.manifestDigest}`, 100);
    node.reconciler.setResolutions(resolved(first));
    want();
    await pass();
    const next = release(2_000);
    node.reconciler.setResolutions(resolved(next));
    await pass();
    expect(await names()).toContain(`${repository}@${next.manifestDigest}`);
    expect(node.runtime.pulling).toEqual([]);
  });

  test('what is being pulled is known by both names, so that pruning leaves it alone', async () => {
    const image = release(1_000);
    const child = `${repository}@${image.manifestDigest}`;
    node.runtime.holdPull(child, 100);
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass();
    expect([...node.reconciler.pullingSince(performance.now())]).toEqual(
      expect.arrayContaining([tag, child, image.id]),
    );
    expect([...node.reconciler.desiredNames]).toEqual(expect.arrayContaining([tag, child]));
  });
});

test('a plain CRI runtime pulls the tag itself', async () => {
  await start({ like: 'cri' });
  node.reconciler.setResolutions(resolved(release(1_000)));
  want();
  await pass();
  expect(node.runtime.registry.resolved).toContain(tag);
  expect(node.recorder.sets).toMatchObject([{ present: 1 }]);
});

test('a partly pulled child is not let go while it is wanted', async () => {
  await start();
  const image = release(1_000);
  const child = `${repository}@${image.manifestDigest}`;
  node.runtime.holdPull(child, 600);
  node.reconciler.setResolutions(resolved(image));
  want();
  await pass();
  node.runtime.registry.faults = { offline: true };
  node.runtime.releasePull(child);
  await pass(100);
  expect(node.recorder.failures).toEqual(['network']);
  expect(node.runtime.leases).toEqual([child]);
});

describe('in an ordinary project', () => {
  beforeEach(() => start());
  const ordinary = (image: FakeImage, digest = image.manifestDigest): Resolutions =>
    resolved(image, { isProxied: false, digest });

  test('the tag itself is pulled, and the published digest says when it has moved: the node asks nobody', async () => {
    const first = release(1_000);
    node.reconciler.setResolutions(ordinary(first));
    want();
    await pass();
    node.runtime.registry.resolved.length = 0;
    node.asked.length = 0;
    await pass(7_200_000);
    expect(node.asked).toEqual([]);
    const next = release(2_000);
    node.reconciler.setResolutions(ordinary(next));
    await pass();
    expect(await names()).toContain(`${repository}@${next.manifestDigest}`);
    expect(node.runtime.registry.resolved).toContain(tag);
  });

  test('a tag that moved on since it was published is pulled once, not at every look', async () => {
    node.reconciler.setResolutions(ordinary(release(1_000)));
    want();
    await pass();
    const published = release(2_000);
    release(3_000);
    node.reconciler.setResolutions(ordinary(published));
    await pass();
    node.runtime.registry.resolved.length = 0;
    await pass(1_200_000);
    expect(node.runtime.registry.resolved).toEqual([]);
    const seen = release(3_000);
    node.reconciler.setResolutions(ordinary(seen));
    await pass(1_200_000);
    expect(node.runtime.registry.resolved).toEqual([]);
    node.reconciler.setResolutions(ordinary(release(4_000)));
    await pass();
    expect(node.runtime.registry.resolved).toContain(tag);
  });
});

describe.each(['containerd', 'docker'] as const)('a signed member of a pattern, on %s', (like) => {
  beforeEach(() => start({ like }));
  const pattern = samplePattern({ project: 'cache', signed: 'any' });
  const published = (image: FakeImage, more: Partial<ResolvedImage> = {}): Resolutions => {
    const record = { digest: image.manifestDigest, isProxied: false, platforms: [], ...more };
    return sampleResolutions([sampleResolved(tag, record)], [[pattern, { members: [tag] }]]);
  };
  const wantSigned = (): void =>
    node.configure({ ...sampleConfiguration([sampleSet('s', [], { patterns: [pattern] })]), registries });

  test('is pulled by the digest that has passed, whatever the tag names by now, and then named by it', async () => {
    const image = release(1_000);
    release(2_000);
    node.reconciler.setResolutions(published(image));
    wantSigned();
    await pass();
    expect(await names()).toEqual([tag, `${repository}@${image.manifestDigest}`].toSorted());
    expect(node.runtime.registry.resolved).not.toContain(tag);
    await pass(7_200_000);
    expect(node.looked?.plan).toMatchObject({ present: [{ reference: tag }], waiting: [], pulls: [] });
    expect(node.runtime.registry.resolved).not.toContain(tag);
  });

  test('moves with what has passed', async () => {
    node.reconciler.setResolutions(published(release(1_000)));
    wantSigned();
    await pass();
    const next = release(2_000);
    node.reconciler.setResolutions(published(next));
    await pass();
    const holder = (await node.runtime.listImages(never)).find(({ tags }) => tags.includes(tag));
    expect(holder?.id).toBe(next.id);
  });

  test('waits as long as no digest has passed', async () => {
    const image = release(1_000);
    const failure = { code: 'timeout', message: 'no answer within 30 s' } as const;
    node.reconciler.setResolutions(published(image, { digest: undefined, failure }));
    wantSigned();
    await pass(86_400_000);
    expect(node.runtime.registry.resolved).toEqual([]);
    expect(node.looked?.plan.waiting).toMatchObject([{ reference: tag, reason: 'warming' }]);
    expect(node.looked?.plan.waiting[0]?.message).toContain(failure.message);
    node.reconciler.setResolutions(published(image));
    await pass();
    expect(await names()).toContain(tag);
  });
});

describe('a refused image', () => {
  beforeEach(() => start());

  test('is not pulled, and is pulled as soon as it is given out', async () => {
    const image = release(1_000);
    node.reconciler.setResolutions(resolved(image, {}, refusal));
    want();
    await pass(3_600_000);
    expect(node.looked?.plan.refused).toMatchObject([{ reference: tag, code: 'policy', message: 'severity of High' }]);
    expect(node.runtime.registry.resolved).toEqual([]);
    node.reconciler.setResolutions(resolved(image));
    await pass();
    expect(await names()).toContain(tag);
  });

  test('that is here stays here, is told of, and loses its pin', async () => {
    const image = release(1_000);
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass(1_000);
    node.trigger.fire();
    await pass(1_000);
    const pinned = async (): Promise<readonly string[]> =>
      (await node.runtime.listImages(never)).flatMap(({ pinnedNames }) => pinnedNames);
    expect(await pinned()).toEqual([tag]);
    node.reconciler.setResolutions(resolved(image, {}, refusal));
    await pass(1_000);
    expect(node.looked?.plan.present).toMatchObject([{ reference: tag, refusal }]);
    expect(await pinned()).toEqual([]);
  });

  test('a pull that its registry refused is tried again when the answer of the coordinator is another one', async () => {
    const image = release(1_000);
    node.runtime.failNext('pull', new Failure('policy', 'severity of High', { detail: 'policy_blocked' }));
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass(60_000);
    expect(node.recorder.failures).toEqual(['policy']);
    const next = release(2_000);
    node.reconciler.setResolutions(resolved(next));
    await pass();
    expect(await names()).toContain(tag);
  });

  test('a pull that its registry refused while the coordinator was given the image is tried again within minutes', async () => {
    const image = release(1_000);
    node.runtime.failNext('pull', new Failure('policy', 'its scan runs', { detail: 'policy_blocked' }));
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass(60_000);
    expect(node.looked?.plan.waiting).toMatchObject([{ reference: tag, reason: 'backoff', failure: 'policy' }]);
    await pass(240_000);
    expect(await names()).toContain(tag);
  });

  test('a pull that its registry refused waits no longer than for the refusal to be published and to end', async () => {
    const image = release(1_000);
    node.runtime.failNext('pull', new Failure('policy', 'its scan runs', { detail: 'policy_blocked' }));
    node.reconciler.setResolutions(resolved(image));
    want();
    await pass(1_000);
    node.reconciler.setResolutions(resolved(image, {}, refusal));
    await pass(1_000);
    expect(node.looked?.plan.refused).toMatchObject([{ reference: tag }]);
    node.reconciler.setResolutions(resolved(image));
    await pass(1_000);
    expect(await names()).toContain(tag);
  });

  test('a pull that its registry refused waits an hour where nobody resolves', async () => {
    release(1_000);
    node.runtime.failNext('pull', new Failure('policy', 'its scan runs', { detail: 'policy_blocked' }));
    want();
    await pass(55 * 60_000);
    expect(node.looked?.plan.waiting).toMatchObject([{ reference: tag, reason: 'backoff', failure: 'policy' }]);
  });
});

test('pulls wait for the warming as long as it takes, without a question to the registry', async () => {
  await start();
  const image = release(1_000);
  node.warmWaits = new Map([[tag, { message: 'the coordinator warms it', until: Date.now() + 600_000 }]]);
  node.reconciler.setResolutions(resolved(image));
  want();
  await pass(599_000);
  expect(node.looked?.plan.waiting).toMatchObject([{ reference: tag, reason: 'warming' }]);
  expect(node.runtime.registry.resolved).toEqual([]);
  await pass(2_000);
  expect(await names()).toContain(tag);
});
