import { describe, expect, test } from 'vitest';
import type { ImageSet, PrefetchSettings } from '../../../agent/core/configuration.ts';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { toImageSetStates } from '../../../agent/core/image-set-state.ts';
import { type NodeState, standaloneNode } from '../../../agent/core/node-state.ts';
import { toDueSince } from '../../../agent/core/pull-due.ts';
import { type PullPolicy, type PullWorld, planPulls } from '../../../agent/core/pull-planner.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import { sampleConfiguration, sampleSet, sampleWindow } from '../../fakes/samples.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const minute = 60_000;
const hour = 60 * minute;
const [a, b, c] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1'] as const;
const set = sampleSet('s', [a, b]);
const gated = sampleSet('g', [c], { gate: true });
const noSlot = { message: 'all are taken', until: undefined };

interface Given {
  readonly node?: Partial<NodeState>;
  readonly prefetch?: Partial<PrefetchSettings>;
  readonly policy?: Partial<PullPolicy>;
  readonly world?: Partial<PullWorld>;
}

function decide(sets: readonly ImageSet[], { node = {}, prefetch = {}, policy = {}, world = {} }: Given = {}) {
  const configuration = sampleConfiguration(sets, prefetch);
  const { images, unselected } = toDesired(sets, {});
  return planPulls({
    now,
    desired: images,
    unselected,
    images: [],
    layers: { chainIds: new Set(), blobs: new Set() },
    filesystem: undefined,
    inFlight: new Map(),
    manifests: new Map(),
    remoteDigests: new Map(),
    reclaimableBytes: 0,
    backoffs: new Map(),
    warmWaits: new Map(),
    dueSince: new Map(),
    policy: { ...toPullPolicy(configuration, { ...standaloneNode('n1', {}), ...node }), ...policy },
    ...world,
  });
}

/** The registry has said what it knows: pulls are not held back for it. */
const answered: Partial<PullWorld> = {
  manifests: new Map([a, b, c].map((one) => [one, { kind: 'failed', failure: new Failure('network', 'no') }])),
};
const waits = ({ plan }: ReturnType<typeof decide>) => plan.waiting.map(({ reference, reason }) => [reference, reason]);
const next = ({ plan }: ReturnType<typeof decide>) =>
  plan.pulls.filter(({ state }) => state === 'next').map(({ reference }) => reference);

describe('a node that holds pulls back', () => {
  test('pulls nothing, asks the registry nothing and says why', () => {
    const decision = decide([set], { node: { unschedulable: true } });
    expect(decision.plan.waiting).toMatchObject([
      { reference: a, reason: 'paused', message: 'the node is cordoned: spec.unschedulable is true' },
      { reference: b, reason: 'paused' },
    ]);
    expect(decision.lookUps).toEqual({ manifests: [], digests: [] });
    expect(decision.needsSlot).toBe(false);
    expect(
      next(decide([set], { node: { unschedulable: true }, prefetch: { pauseOnDrain: false }, world: answered })),
    ).toEqual([a, b]);
  });

  test('waits with reason pressure where its disk is short', () => {
    const condition = { type: 'DiskPressure', status: 'True', reason: '', message: '' };
    const conditions = [{ ...condition, lastHeartbeatAt: undefined, lastTransitionAt: undefined }];
    expect(waits(decide([set], { node: { conditions } }))).toEqual([
      [a, 'pressure'],
      [b, 'pressure'],
    ]);
  });
});

describe('a pull slot', () => {
  test('is waited for by everything that would be pulled, and asked for', () => {
    const decision = decide([set], { policy: { slot: noSlot }, world: answered });
    expect(decision.plan.waiting).toMatchObject([
      { reference: a, reason: 'slot', message: 'all are taken', until: undefined },
      { reference: b, reason: 'slot' },
    ]);
    expect(decision.plan.pulls).toEqual([]);
    expect(decision.needsSlot).toBe(true);
  });

  test('is not needed where everything is here, or nothing may be pulled', () => {
    const image = { id: 'sha256:a', tags: [a, b], digests: [], sizeBytes: 1, pinnedNames: [] };
    const images = [{ ...image, pinnedByOthers: false, whole: true }];
    expect(decide([set], { policy: { slot: noSlot }, world: { images } }).needsSlot).toBe(false);
    const backoffs = new Map([a, b].map((one) => [one, { until: now + 1, failure: new Failure('upstream', '502') }]));
    expect(decide([set], { policy: { slot: noSlot }, world: { ...answered, backoffs } }).needsSlot).toBe(false);
  });

  test('does not keep the tag of a present image from being checked', () => {
    const image = { id: 'sha256:a', tags: [a], digests: [], sizeBytes: 1, pinnedNames: [] };
    const images = [{ ...image, pinnedByOthers: false, whole: true }];
    const always = sampleSet('s', [a], { pullPolicy: 'Always', refreshEveryMs: minute });
    const { lookUps } = decide([always], { policy: { slot: noSlot }, world: { images } });
    expect(lookUps.digests.map(({ reference }) => reference)).toEqual([a]);
  });

  test('is kept for what runs, while nothing new begins', () => {
    const inFlight = new Map([[a, { manifest: undefined, downloadedBytes: 0 }]]);
    const decision = decide([set], { policy: { slot: noSlot }, world: { ...answered, inFlight } });
    expect(decision.plan.pulls).toMatchObject([{ reference: a, state: 'running' }]);
    expect(waits(decision)).toEqual([[b, 'slot']]);
    expect(decision.needsSlot).toBe(true);
  });

  test('gated images go without from half of the deadline on, and only then', () => {
    const early = decide([set, gated], { policy: { slot: noSlot, gatedGoAt: now + minute }, world: answered });
    expect(next(early)).toEqual([]);
    expect(early.wakeAt).toBe(now + minute);
    const late = decide([set, gated], { policy: { slot: noSlot, gatedGoAt: now }, world: answered });
    expect(next(late)).toEqual([c]);
    expect(waits(late)).toEqual([
      [a, 'slot'],
      [b, 'slot'],
    ]);
  });
});

describe('prefetch.spreadOver', () => {
  const spreadDelayMs = () => hour;

  test('makes an image wait from when it was first due, says until when, and asks the registry nothing before', () => {
    const dueSince = new Map([[a, now - 20 * minute]]);
    const decision = decide([set], { policy: { spreadDelayMs }, world: { dueSince } });
    expect(decision.plan.waiting).toMatchObject([
      { reference: a, reason: 'slot', until: now + 40 * minute },
      { reference: b, reason: 'slot', until: now + hour },
    ]);
    expect(decision.plan.waiting[0]?.message).toContain('2026-11-21T12:40:00.000Z');
    expect(decision.lookUps.manifests).toEqual([]);
    expect(decision.needsSlot).toBe(false);
    expect(decision.wakeAt).toBe(now + 40 * minute);
    const later = { ...answered, dueSince: new Map([[a, now - hour]]) };
    expect(next(decide([set], { policy: { spreadDelayMs }, world: later }))).toEqual([a]);
  });

  test('delays no gated image past half of the deadline', () => {
    const policy = { spreadDelayMs, gatedGoAt: now + 7 * minute };
    expect(decide([gated], { policy }).plan.waiting).toMatchObject([{ reference: c, until: now + 7 * minute }]);
    expect(next(decide([gated], { policy: { ...policy, gatedGoAt: now }, world: answered }))).toEqual([c]);
  });

  test('comes from the node name and the set, up to what is configured', () => {
    const [first] = decide([set], { prefetch: { spreadOverMs: hour } }).plan.waiting;
    const [other] = decide([set], { prefetch: { spreadOverMs: hour }, node: { name: 'n2' } }).plan.waiting;
    expect(first?.until).toBeLessThanOrEqual(now + hour);
    expect(first?.until).not.toBe(other?.until);
  });

  test('is counted from when a window opens or a pause ends, as those end on all nodes at once', () => {
    const window = { ...sampleWindow('0 20 * * *', hour), timeZone: 'UTC' };
    const { plan } = decide([sampleSet('night', [a], { window }), sampleSet('s', [b])], { policy: { spreadDelayMs } });
    expect(toDueSince(plan, new Map())).toEqual(new Map([[b, now]]));
    const paused = decide([set], { prefetch: { enabled: false } }).plan;
    expect(toDueSince(paused, new Map([[a, 1]]))).toEqual(new Map());
    expect(toDueSince({ ...plan, at: now + minute }, new Map([[b, now]]))).toEqual(new Map([[b, now]]));
  });
});

describe('the state of the selected sets', () => {
  test('names what is missing, and why', () => {
    const sets = [set, gated, sampleSet('none', [])];
    const backoffs = new Map([[b, { until: now + minute, failure: new Failure('not_found', 'no such tag') }]]);
    const { plan } = decide(sets, { world: { ...answered, backoffs } });
    expect(toImageSetStates(toDesired(sets, {}), plan, new Set([a]))).toEqual([
      {
        name: 's',
        gate: false,
        images: 2,
        missing: [{ reference: b, why: 'backoff', failure: 'not_found', message: 'no such tag' }],
      },
      {
        name: 'g',
        gate: true,
        images: 1,
        missing: [{ reference: c, why: 'queued', failure: undefined, message: undefined }],
      },
      { name: 'none', gate: false, images: 0, missing: [] },
    ]);
  });

  test('an image that failed has still failed while it is tried again', () => {
    const failures = new Map([[c, { until: now, failure: new Failure('upstream', '502') }]]);
    const { plan } = decide([gated], { world: { ...answered, backoffs: failures } });
    const [state] = toImageSetStates(toDesired([gated], {}), plan, new Set(), failures);
    expect(state?.missing).toEqual([{ reference: c, why: 'queued', failure: 'upstream', message: '502' }]);
    const held = decide([gated], { policy: { slot: noSlot }, world: { ...answered, backoffs: failures } }).plan;
    const [waiting] = toImageSetStates(toDesired([gated], {}), held, new Set(), failures);
    expect(waiting?.missing).toEqual([{ reference: c, why: 'slot', failure: 'upstream', message: '502' }]);
  });

  test('a refused image is missing for good, one whose tag moved is here', () => {
    const refused = decide([set], { prefetch: { allow: [b] } }).plan;
    const [state] = toImageSetStates(toDesired([set], {}), refused, new Set([b]));
    expect(state?.missing).toMatchObject([{ reference: a, why: 'refused', failure: 'policy' }]);
  });
});
