import { describe, expect, test } from 'vitest';
import { toDesired } from '../../../agent/core/desired-images.ts';
import type { ImagePart } from '../../../agent/core/image-parts.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';
import { planPins, type PinWorld, toPinBudgetBytes } from '../../../agent/core/pin-plan.ts';
import { sampleDigest, sampleResolutions, sampleResolved, sampleView } from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';

const [a, b, c] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1'] as const;

const part = (key: string, bytes: number): ImagePart => ({ key, store: 'layer', bytes, inodes: 0 });

function onNode(tag: string, more: Partial<RuntimeImage> = {}): RuntimeImage {
  const image = { id: `id of ${tag}`, tags: [tag], digests: [], sizeBytes: 100, pinnedByOthers: false, whole: true };
  return { ...image, pinnedNames: [], ...more };
}

/** The image set's images are all there, 100 bytes each, and the budget is ample. */
function plan(sets: Parameters<typeof toDesired>[0], more: Partial<PinWorld> = {}) {
  const desired = toDesired(sets, {}).images;
  const images = desired.map(({ reference }) => onNode(reference));
  return planPins({ desired, images, parts: new Map(), budgetBytes: 1_000, ...more });
}

test('desired images that are here and whole get a pin, once', () => {
  const images = [onNode(a), onNode(b, { pinnedNames: [b] }), onNode(c, { whole: false })];
  expect(plan([sampleSet('s', [a, b, c, 'reg.example/absent:1'])], { images })).toEqual({
    pin: [a],
    unpin: [],
    pinned: [a, b],
    overBudget: [],
  });
});

test('what is no longer desired loses ours, and nobody else’s', () => {
  const images = [onNode(a, { pinnedNames: [a] }), onNode(b, { pinnedByOthers: true })];
  expect(plan([], { images })).toMatchObject({ pin: [], unpin: [a] });
});

test('an image that somebody else has pinned is shielded already, and takes its share of the budget', () => {
  const images = [onNode(a, { pinnedByOthers: true }), onNode(b)];
  const sets = [sampleSet('s', [a, b])];
  expect(plan(sets, { images })).toMatchObject({ pin: [b], unpin: [], pinned: [a, b] });
  expect(plan(sets, { images, budgetBytes: 150 })).toMatchObject({ pin: [], pinned: [a], overBudget: [b] });
});

test('a desired name of an image that has others is the one that is pinned', () => {
  const images = [onNode('reg.example/other:1', { tags: ['reg.example/other:1', a], pinnedNames: [] })];
  expect(plan([sampleSet('s', [a])], { images }).pin).toEqual([a]);
  const moved = [
    onNode('reg.example/other:1', { tags: ['reg.example/other:1', a], pinnedNames: ['reg.example/other:1'] }),
  ];
  expect(plan([sampleSet('s', [a])], { images: moved })).toMatchObject({ pin: [a], unpin: ['reg.example/other:1'] });
});

describe('the budget', () => {
  test('goes by priority, then to gated sets, then in the order of the configuration', () => {
    const low = sampleSet('low', [a], { priority: 1 });
    const high = sampleSet('high', [b], { priority: 9 });
    const gated = sampleSet('gated', [c], { priority: 1, gate: true });
    expect(plan([low, high, gated], { budgetBytes: 250 })).toMatchObject({ pinned: [b, c], overBudget: [a] });
    expect(plan([sampleSet('s', [c, a, b])], { budgetBytes: 250 })).toMatchObject({ pinned: [c, a], overBudget: [b] });
  });

  test('leaves out what does not fit, and smaller ones after it still get in', () => {
    const parts = new Map([
      [`id of ${a}`, [part('a', 900)]],
      [`id of ${b}`, [part('b', 200)]],
      [`id of ${c}`, [part('c', 100)]],
    ]);
    expect(plan([sampleSet('s', [a, b, c])], { parts })).toMatchObject({ pinned: [a, c], overBudget: [b] });
  });

  test('counts layers that pinned images share once, and those of images left out not at all', () => {
    const base = part('base', 600);
    const parts = new Map([
      [`id of ${a}`, [base, part('a', 100)]],
      [`id of ${b}`, [base, part('b', 100), part('b', 100)]],
      [`id of ${c}`, [part('c', 200)]],
    ]);
    const sets = [sampleSet('s', [a, b, c])];
    expect(plan(sets, { parts })).toMatchObject({ pinned: [a, b, c] });
    expect(plan(sets, { parts, budgetBytes: 999 })).toMatchObject({ pinned: [a, b], overBudget: [c] });
    expect(plan(sets, { parts, budgetBytes: 650 })).toMatchObject({ pinned: [c], overBudget: [a, b] });
  });

  test('counts an image that has two desired names once', () => {
    const images = [onNode(a, { tags: [a, b] })];
    expect(plan([sampleSet('s', [a, b])], { images, budgetBytes: 100 })).toMatchObject({ pin: [a, b] });
  });

  test('that became smaller takes pins back, least important first', () => {
    const images = [onNode(a, { pinnedNames: [a] }), onNode(b, { pinnedNames: [b] })];
    const sets = [sampleSet('less', [a]), sampleSet('more', [b], { priority: 5 })];
    expect(plan(sets, { images, budgetBytes: 100 })).toMatchObject({ pin: [], unpin: [a], overBudget: [a] });
  });

  test('is a number of bytes, or a share of the filesystem, which has to be known', () => {
    expect(toPinBudgetBytes({ kind: 'bytes', bytes: 7 }, undefined)).toBe(7);
    expect(toPinBudgetBytes({ kind: 'share', ratio: 0.5 }, 1_001)).toBe(500);
    expect(toPinBudgetBytes({ kind: 'share', ratio: 0.5 }, undefined)).toBeUndefined();
  });

  test('that is not known pins nothing more, keeps what is pinned, and takes back what is no longer desired', () => {
    const images = [onNode(a, { pinnedNames: [a] }), onNode(b), onNode(c, { pinnedNames: [c] })];
    expect(plan([sampleSet('s', [a, b])], { images, budgetBytes: undefined })).toEqual({
      pin: [],
      unpin: [c],
      pinned: [a],
      overBudget: [],
    });
  });
});

describe('an image that its registry refuses', () => {
  const refusal = { code: 'policy', message: 'its severity is Critical' } as const;
  const pinned = (digit: string, more: Partial<RuntimeImage> = {}) =>
    onNode(a, { digests: [`reg.example/a@${sampleDigest(digit)}`], pinnedNames: [a], ...more });
  const desired = toDesired([sampleSet('s', [a])], {}, sampleView(sampleResolutions([sampleResolved(a, { refusal })])));

  test('gets no pin and loses the one that it has', () => {
    const held = { desired: desired.images, parts: new Map(), budgetBytes: 1_000 };
    expect(planPins({ ...held, images: [pinned('a')] })).toEqual({ pin: [], unpin: [a], pinned: [], overBudget: [] });
    expect(planPins({ ...held, images: [pinned('a', { pinnedNames: [] })] }).pin).toEqual([]);
    // Another image that the tag named before is not the refused one.
    expect(planPins({ ...held, images: [pinned('b')] })).toMatchObject({ unpin: [], pinned: [a] });
  });
});
