import { describe, expect, test } from 'vitest';
import type { ImageSet } from '../../../agent/core/configuration.ts';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { type PullDecision, type PullWorld, planPulls } from '../../../agent/core/pull-planner.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import { type FakeImage, fakeImage, fakeLayer, toManifestSummary } from '../../fakes/fake-image.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const [big, small, tiny] = ['reg.example/big:1', 'reg.example/small:1', 'reg.example/tiny:1'] as const;
/** Compressed; unpacked they are estimated at 2.2 times that, and the config is 100 bytes. */
const images = {
  [big]: fakeImage('big', { layers: [1_000] }),
  [small]: fakeImage('small', { layers: [100] }),
  [tiny]: fakeImage('tiny', { layers: [10] }),
};
const need = { big: 3_300, small: 420, tiny: 132 };
/** The high watermark leaves 2,500 of 10,000 free. */
const high = 2_500;

interface Room {
  readonly availBytes: number;
  readonly reclaimableBytes: number;
  readonly known?: Readonly<Record<string, FakeImage>>;
  readonly inFlight?: PullWorld['inFlight'];
}

function decide(
  sets: readonly ImageSet[],
  { availBytes, reclaimableBytes, known = images, inFlight }: Room,
): PullDecision {
  return planPulls({
    now,
    desired: toDesired(sets, {}).images,
    unselected: [],
    images: [],
    layers: { chainIds: new Set(), blobs: new Set() },
    filesystem: { mountpoint: '/', sizeBytes: 10_000, availBytes, files: 0, filesFree: 0 },
    reclaimableBytes,
    inFlight: inFlight ?? new Map(),
    manifests: new Map(
      Object.entries(known).map(([name, image]) => [name, { kind: 'known', manifest: toManifestSummary(image) }]),
    ),
    remoteDigests: new Map(),
    backoffs: new Map(),
    warmWaits: new Map(),
    dueSince: new Map(),
    policy: toPullPolicy(sampleConfiguration(sets), standaloneNode('n1', {})),
  });
}

const waiting = ({ plan }: PullDecision) => plan.waiting.map(({ reference, reason }) => `${reference} ${reason}`);
const pulls = ({ plan }: PullDecision) => plan.pulls.map(({ reference }) => reference);
const all = sampleSet('s', [big, small, tiny]);

describe('a pull that pruning could make room for', () => {
  test('waits for the disk, says so, and asks for just what it needs', () => {
    const decision = decide([sampleSet('s', [big])], { availBytes: high + 1_000, reclaimableBytes: 3_000 });
    expect(waiting(decision)).toEqual([`${big} disk`]);
    expect(decision.plan.waiting[0]?.message).toMatch(/room is made by pruning$/);
    expect(decision.roomBytes).toBe(need.big);
    expect(decision.wakeAt).toBe(now + 30_000);
  });

  test('starts when there is exactly room, and not with a byte less', () => {
    const set = sampleSet('s', [big]);
    expect(pulls(decide([set], { availBytes: high + need.big, reclaimableBytes: 0 }))).toEqual([big]);
    const short = decide([set], { availBytes: high + need.big - 1, reclaimableBytes: 1 });
    expect([pulls(short), short.roomBytes]).toEqual([[], need.big]);
  });

  test('keeps its place: less important pulls do not take the room that there is', () => {
    const decision = decide([all], { availBytes: high + 1_000, reclaimableBytes: 9_000 });
    expect(pulls(decision)).toEqual([]);
    expect(waiting(decision)).toEqual([`${big} disk`, `${small} disk`, `${tiny} disk`]);
    expect(decision.roomBytes).toBe(need.big + need.small + need.tiny);
  });

  test('does not hold up what is more important and has room', () => {
    const sets = [sampleSet('s', [big]), sampleSet('first', [small], { priority: 5 })];
    const decision = decide(sets, { availBytes: high + 1_000, reclaimableBytes: 9_000 });
    expect(pulls(decision)).toEqual([small]);
    expect(decision.roomBytes).toBe(need.small + need.big);
  });

  test('counts what runs already', () => {
    const inFlight = new Map([[small, { manifest: toManifestSummary(images[small]), downloadedBytes: 150 }]]);
    const decision = decide([all], { availBytes: high + 1_000, reclaimableBytes: 9_000, inFlight });
    expect(pulls(decision)).toEqual([small]);
    expect(decision.roomBytes).toBe(need.small - 150 + need.big + need.tiny);
  });

  test('asks for layers that it shares with others that wait only once, and for a second name of it nothing more', () => {
    const base = fakeLayer('base', 1_000);
    const second = 'reg.example/second:1';
    const known = {
      [big]: fakeImage('big', { layers: [base, 50] }),
      [second]: fakeImage('big', { layers: [base, 50] }),
      [small]: fakeImage('small', { layers: [base, 10] }),
    };
    const set = sampleSet('s', [big, second, small]);
    const decision = decide([set], { availBytes: high, reclaimableBytes: 9_000, known });
    expect(waiting(decision)).toHaveLength(3);
    const alone = 100 + 1_050 + 1_050 * 2.2;
    expect(decision.roomBytes).toBe(alone + 100 + 10 + 22);
  });
});

describe('a pull that nothing helps', () => {
  test('waits for the disk, and asks for no room', () => {
    const decision = decide([sampleSet('s', [big])], { availBytes: high + 1_000, reclaimableBytes: 2_299 });
    expect(waiting(decision)).toEqual([`${big} disk`]);
    expect(decision.plan.waiting[0]?.message).toMatch(/no unused image that may go would make enough room$/);
    expect(decision.roomBytes).toBe(0);
  });

  test('does not hold up others: neither those that fit nor those that room can be made for', () => {
    const fits = decide([all], { availBytes: high + 1_000, reclaimableBytes: 0 });
    expect([pulls(fits), waiting(fits)]).toEqual([[small, tiny], [`${big} disk`]]);
    const made = decide([all], { availBytes: high + 100, reclaimableBytes: 500 });
    expect([pulls(made), made.roomBytes]).toEqual([[], need.small + need.tiny]);
  });
});

test('above the high watermark an image of unknown size waits too, until pruning has brought the disk down', () => {
  const set = sampleSet('s', [small]);
  const room = { known: {}, availBytes: high - 10 };
  const unasked = decide([set], { ...room, reclaimableBytes: 0 });
  expect([waiting(unasked), unasked.roomBytes]).toEqual([[`${small} disk`], 0]);
  expect(decide([set], { ...room, reclaimableBytes: 10 }).roomBytes).toBe(1);
  expect(pulls(decide([set], { ...room, availBytes: high, reclaimableBytes: 0 }))).toEqual([small]);
});
