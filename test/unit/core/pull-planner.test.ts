import { describe, expect, test } from 'vitest';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';
import { type PullWorld, planPulls } from '../../../agent/core/pull-planner.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import { type FakeImage, fakeImage, fakeLayer, toManifestSummary } from '../../fakes/fake-image.ts';
import { sampleConfiguration, sampleSet, sampleWindow } from '../../fakes/samples.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const a = 'reg.example/a:1';
const b = 'reg.example/b:1';
const c = 'reg.example/c:1';

function world(sets: Parameters<typeof sampleConfiguration>[0], more: Partial<PullWorld> = {}): PullWorld {
  const configuration = sampleConfiguration(sets);
  const { images, unselected } = toDesired(sets, {});
  return {
    now,
    desired: images,
    unselected,
    images: [],
    layers: { chainIds: new Set(), blobs: new Set() },
    filesystem: undefined,
    inFlight: new Map(),
    manifests: new Map(
      images.map(({ reference }) => [reference, { kind: 'failed', failure: new Failure('network', 'no') }]),
    ),
    remoteDigests: new Map(),
    reclaimableBytes: 0,
    backoffs: new Map(),
    warmWaits: new Map(),
    dueSince: new Map(),
    policy: toPullPolicy(configuration, standaloneNode('n1', {})),
    ...more,
  };
}

function known(images: Record<string, FakeImage>): PullWorld['manifests'] {
  return new Map(
    Object.entries(images).map(([reference, image]) => [
      reference,
      { kind: 'known', manifest: toManifestSummary(image) },
    ]),
  );
}

function onNode(reference: string, more: Partial<RuntimeImage> = {}): RuntimeImage {
  return {
    id: 'sha256:id',
    tags: [reference],
    digests: [],
    sizeBytes: 10,
    pinnedNames: [],
    pinnedByOthers: false,
    whole: true,
    ...more,
  };
}

describe('what is pulled', () => {
  test('an absent image is pulled, a present one is not, a broken one is pulled again', () => {
    const { plan } = planPulls(
      world([sampleSet('s', [a, b, c])], { images: [onNode(a), onNode(b, { id: 'sha256:b', whole: false })] }),
    );
    expect(plan.present.map(({ reference }) => reference)).toEqual([a]);
    expect(plan.pulls.map(({ reference, reason }) => [reference, reason])).toEqual([
      [b, 'broken'],
      [c, 'absent'],
    ]);
  });

  test('an image that several sets ask for is one pull with the highest priority', () => {
    const sets = [sampleSet('low', [a, b], { priority: 1 }), sampleSet('high', [b], { priority: 9 })];
    const { plan } = planPulls(world(sets));
    expect(plan.pulls.map(({ reference, priority, imageSets }) => [reference, priority, imageSets])).toEqual([
      [b, 9, ['low', 'high']],
      [a, 1, ['low']],
    ]);
  });

  test('a digest is looked for by its repository and digest', () => {
    const digest = `sha256:${'1'.repeat(64)}`;
    const reference = `reg.example/a@${digest}`;
    const sets = [sampleSet('s', [`reg.example/a:1@${digest}`])];
    expect(planPulls(world(sets)).plan.pulls.map((pull) => pull.reference)).toEqual([reference]);
    const image = onNode('reg.example/other:1', { digests: [reference] });
    expect(planPulls(world(sets, { images: [image] })).plan.present.map((one) => one.reference)).toEqual([reference]);
  });

  test('only as many are next as the concurrency leaves free', () => {
    const inFlight = new Map([[a, { manifest: undefined, downloadedBytes: 0 }]]);
    const { plan } = planPulls(world([sampleSet('s', [a, b, c])], { inFlight }));
    expect(plan.pulls.map(({ state }) => state)).toEqual(['running', 'next', 'queued']);
  });

  test('nothing starts while the answers that decide the order are awaited, and no longer than that', () => {
    const manifests: PullWorld['manifests'] = new Map([[a, { kind: 'pending', patienceEndsAt: now + 5_000 }]]);
    const held = planPulls(world([sampleSet('s', [a])], { manifests }));
    expect(held.plan.pulls.map(({ state }) => state)).toEqual(['queued']);
    expect(held.wakeAt).toBe(now + 5_000);
    const later = planPulls(world([sampleSet('s', [a])], { manifests, now: now + 5_000 }));
    expect(later.plan.pulls.map(({ state }) => state)).toEqual(['next']);
  });

  // The fake's config blob has 100 bytes, and it is fetched too.
  test('a second name of an image that is being pulled follows it instead of downloading it again', () => {
    const image = fakeImage('x', { layers: [100] });
    const manifests = known({ [a]: image, [b]: image, [c]: fakeImage('y', { layers: [50] }) });
    const { plan } = planPulls(world([sampleSet('s', [a, b, c])], { manifests }));
    expect(plan.pulls.map(({ reference, state }) => [reference, state])).toEqual([
      [a, 'next'],
      [c, 'next'],
      [b, 'queued'],
    ]);
    expect(plan.pulls.map(({ downloadBytes }) => downloadBytes)).toEqual([200, 150, 0]);
    // Also where a place is free: it waits for the first name.
    const alone = planPulls(world([sampleSet('s', [a, b])], { manifests })).plan;
    expect(alone.pulls.map(({ state }) => state)).toEqual(['next', 'queued']);
  });
});

describe('order', () => {
  test('priority, then gate, then most missing bytes with the layers already chosen counted as present', () => {
    const base = fakeLayer('base', 1_000);
    const images = {
      [a]: fakeImage('a', { layers: [base, 100] }),
      [b]: fakeImage('b', { layers: [base, 90] }),
      [c]: fakeImage('c', { layers: [500] }),
    };
    const { plan } = planPulls(world([sampleSet('s', [b, c, a])], { manifests: known(images) }));
    expect(plan.pulls.map(({ reference }) => reference)).toEqual([a, c, b]);

    const sets = [sampleSet('s', [a, c]), sampleSet('gated', [b], { gate: true })];
    expect(planPulls(world(sets, { manifests: known(images) })).plan.pulls[0]?.reference).toBe(b);
  });

  test('layers on the node count as present', () => {
    const base = fakeLayer('base', 1_000);
    const first = fakeImage('a', { layers: [base, 100] });
    const images = { [a]: first, [c]: fakeImage('c', { layers: [500] }) };
    const layers = { chainIds: new Set(first.chainIds.slice(0, 1)), blobs: new Set<string>() };
    const { plan } = planPulls(world([sampleSet('s', [a, c])], { manifests: known(images), layers }));
    expect(plan.pulls.map(({ reference, downloadBytes }) => [reference, downloadBytes])).toEqual([
      [c, 600],
      [a, 200],
    ]);
  });
});

describe('what waits', () => {
  test('a failed image waits until its backoff ends, and says what it failed with', () => {
    const backoffs = new Map([[a, { until: now + 60_000, failure: new Failure('upstream', '502') }]]);
    const { plan, wakeAt } = planPulls(world([sampleSet('s', [a])], { backoffs }));
    expect(plan.waiting).toMatchObject([{ reference: a, reason: 'backoff', failure: 'upstream', until: now + 60_000 }]);
    expect(wakeAt).toBe(now + 60_000);
  });

  test('an image waits for the disk when its estimate would cross the high watermark; a smaller one goes ahead', () => {
    const manifests = known({ [a]: fakeImage('a', { layers: [1_000] }), [b]: fakeImage('b', { layers: [10] }) });
    const filesystem = { mountpoint: '/', sizeBytes: 10_000, availBytes: 3_000, files: 1, filesFree: 1 };
    const { plan, wakeAt } = planPulls(world([sampleSet('s', [a, b])], { manifests, filesystem }));
    expect(plan.waiting).toMatchObject([{ reference: a, reason: 'disk' }]);
    expect(wakeAt).toBe(now + 30_000);
    expect(plan.pulls.map(({ reference }) => reference)).toEqual([b]);
  });

  test('images wait while every window of their sets is closed, and say until when', () => {
    const nights = { ...sampleWindow('0 20 * * *', 10 * 3_600_000), timeZone: 'UTC' };
    const windowed = sampleSet('night', [a], { window: nights });
    const { plan, wakeAt, lookUps } = planPulls(world([windowed]));
    const opensAt = Date.parse('2026-11-21T20:00:00Z');
    expect(plan.waiting).toMatchObject([{ reference: a, reason: 'window', until: opensAt }]);
    expect(wakeAt).toBe(opensAt);
    expect(lookUps.manifests).toEqual([]);
    expect(planPulls(world([windowed], { now: opensAt })).plan.pulls).toHaveLength(1);
    // A set without a window wants it now.
    expect(planPulls(world([windowed, sampleSet('any', [a])])).plan.pulls).toHaveLength(1);
  });

  test('images wait while prefetch is off, and then nothing is asked of the registry', () => {
    const policy = toPullPolicy(sampleConfiguration([], { enabled: false }), standaloneNode('n1', {}));
    const { plan, lookUps } = planPulls(world([sampleSet('s', [a])], { policy, manifests: new Map() }));
    expect(plan.waiting).toMatchObject([{ reference: a, reason: 'paused' }]);
    expect(lookUps.manifests).toEqual([]);
  });
});

describe('what is refused', () => {
  test('an image that allow does not match', () => {
    const policy = toPullPolicy(sampleConfiguration([], { allow: ['reg.example/b'] }), standaloneNode('n1', {}));
    const { plan } = planPulls(world([sampleSet('s', [a, b])], { policy }));
    expect(plan.refused).toMatchObject([{ reference: a, code: 'policy', detail: 'not_allowed' }]);
    expect(plan.pulls.map(({ reference }) => reference)).toEqual([b]);
  });

  test('an image above maxImageSize; one of unknown size waits instead of passing', () => {
    const policy = toPullPolicy(sampleConfiguration([], { maxImageSizeBytes: 1_000 }), standaloneNode('n1', {}));
    const manifests = new Map([
      ...known({ [a]: fakeImage('a', { layers: [901] }) }),
      [b, { kind: 'failed', failure: new Failure('network', 'no route') }] as const,
    ]);
    const { plan } = planPulls(world([sampleSet('s', [a, b])], { policy, manifests }));
    expect(plan.refused).toMatchObject([{ reference: a, detail: 'image_too_large' }]);
    expect(plan.waiting).toMatchObject([{ reference: b, reason: 'backoff', failure: 'network' }]);
    expect(plan.pulls).toEqual([]);
  });
});

describe('pullPolicy Always', () => {
  const set = sampleSet('s', [a], { pullPolicy: 'Always', refreshEveryMs: 60_000 });
  const digest = `sha256:${'2'.repeat(64)}`;
  const images = [onNode(a, { digests: [`reg.example/a@${digest}`] })];

  test('a present image is asked after when its interval is over, and only then', () => {
    expect(planPulls(world([set], { images })).lookUps.digests.map(({ reference }) => reference)).toEqual([a]);
    const remoteDigests = new Map([[a, { digest, nextCheckAt: now + 1_000 }]]);
    const { plan, lookUps, wakeAt } = planPulls(world([set], { images, remoteDigests }));
    expect(lookUps.digests).toEqual([]);
    expect(wakeAt).toBe(now + 1_000);
    expect(plan.present).toHaveLength(1);
  });

  test('it is pulled again when the tag moved', () => {
    const remoteDigests = new Map([[a, { digest: `sha256:${'3'.repeat(64)}`, nextCheckAt: now + 1_000 }]]);
    const { plan } = planPulls(world([set], { images, remoteDigests }));
    expect(plan.pulls).toMatchObject([{ reference: a, reason: 'moved', state: 'next' }]);
  });

  test('the shortest interval of its sets counts', () => {
    const other = sampleSet('t', [a], { pullPolicy: 'Always', refreshEveryMs: 10_000 });
    expect(toDesired([set, other], {}).images[0]?.refreshEveryMs).toBe(10_000);
  });
});

test('a control-plane node pulls one at a time unless the configuration says otherwise', () => {
  const labels = { 'node-role.kubernetes.io/control-plane': '' };
  expect(toPullPolicy(sampleConfiguration([]), standaloneNode('n1', {})).concurrency).toBe(2);
  expect(toPullPolicy(sampleConfiguration([]), standaloneNode('n1', labels)).concurrency).toBe(1);
  expect(toPullPolicy(sampleConfiguration([], { concurrency: 3 }), standaloneNode('n1', labels)).concurrency).toBe(3);
});
