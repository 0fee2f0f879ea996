import { describe, expect, test } from 'vitest';
import { toDesired } from '../../../agent/core/desired-images.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';
import { toDueSince } from '../../../agent/core/pull-due.ts';
import {
  sampleChild,
  sampleDigest,
  samplePattern,
  sampleResolutions,
  sampleResolved,
  sampleView,
} from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';
import { a, always, decide, now, onNode, refusal } from './resolved-world.ts';

const moved = ({ plan }: ReturnType<typeof decide>) => plan.pulls.map(({ reason }) => reason);

describe('a published digest', () => {
  const published = [sampleResolved(a)];

  test('takes the place of this node asking the registry', () => {
    const here = decide({ published, images: [onNode({ digests: [`harbor.example/ml/a@${sampleDigest('a')}`] })] });
    expect(here.plan.present).toHaveLength(1);
    expect(here.lookUps.digests).toEqual([]);
    const other = decide({ published, images: [onNode({ digests: [`harbor.example/ml/a@${sampleDigest('b')}`] })] });
    expect(moved(other)).toEqual(['moved']);
    expect(other.lookUps.digests).toEqual([]);
  });

  test('counts more than an earlier answer to this node', () => {
    const remoteDigests = new Map([[a, { digest: sampleDigest('b'), nextCheckAt: now + 1_000 }]]);
    const images = [onNode({ digests: [`harbor.example/ml/a@${sampleDigest('a')}`] })];
    expect(decide({ published, images, world: { remoteDigests } }).plan.present).toHaveLength(1);
  });

  test('moves nothing of a set that takes what is here', () => {
    const sets = [sampleSet('s', [a])];
    expect(decide({ sets, published, images: [onNode()] }).plan.present).toHaveLength(1);
  });

  test('that is not there leaves the question to the node', () => {
    const none = [sampleResolved(a, { digest: undefined })];
    for (const given of [none, []]) {
      expect(decide({ published: given, images: [onNode()] }).lookUps.digests).toHaveLength(1);
    }
  });

  test('of a member of a pattern moves it, whatever the pull policy', () => {
    const pattern = samplePattern();
    const sets = [sampleSet('s', [], { patterns: [pattern] })];
    const resolutions = sampleResolutions(published, [[pattern, { members: [a] }]]);
    const { images: desired } = toDesired(sets, {}, sampleView(resolutions));
    expect(moved(decide({ sets, images: [onNode()], world: { desired } }))).toEqual(['moved']);
  });
});

describe('behind a proxy cache', () => {
  const child = sampleChild('linux/amd64', '2');
  const published = [sampleResolved(a, { isProxied: true, platforms: [child] })];

  test.each<[string, Partial<RuntimeImage>]>([
    ['the config is the same', { id: child.imageId }],
    ['the runtime calls the image by the child', { id: child.digest }],
    ['it was pulled by the child', { digests: [`harbor.example/ml/a@${child.digest}`] }],
  ])('an index of another digest is the same image where %s', (_, held) => {
    const decision = decide({ published, images: [onNode(held)] });
    expect(decision.plan.present).toHaveLength(1);
    expect(decision.lookUps.digests).toEqual([]);
  });

  test('where the child was not read yet, an index of the same digest is the same image', () => {
    const blank = { ...child, imageId: child.digest, sizeBytes: 0 };
    const unread = [sampleResolved(a, { isProxied: true, platforms: [blank] })];
    const index = `harbor.example/ml/a@${unread[0]?.digest}`;
    expect(moved(decide({ published: unread, images: [onNode({ digests: [index] })] }))).toEqual([]);
  });

  test('another child is a new release', () => {
    const held = onNode({ digests: [`harbor.example/ml/a@${sampleDigest('a')}`] });
    expect(moved(decide({ published, images: [held] }))).toEqual(['moved']);
  });

  test('a platform that the image does not have (any more) moves nothing, and no node asks', () => {
    const trimmed = [sampleResolved(a, { isProxied: true, platforms: [sampleChild('linux/arm64', '3')] })];
    const decision = decide({ published: trimmed, images: [onNode()] });
    expect(decision.plan.present).toHaveLength(1);
    expect(decision.lookUps.digests).toEqual([]);
  });
});

describe('an image that is not warm', () => {
  const wait = { message: '3 of 7 blobs are in Harbor', until: now + 60_000 };
  const warmWaits = new Map([[a, wait]]);

  test('waits for that, asks no registry, and goes when the time is over', () => {
    const decision = decide({ world: { warmWaits, manifests: new Map() } });
    expect(decision.plan.waiting).toMatchObject([{ reference: a, reason: 'warming', ...wait }]);
    expect(decision.lookUps).toEqual({ manifests: [], digests: [] });
    expect(decision.wakeAt).toBe(wait.until);
    expect(decision.needsSlot).toBe(false);
    expect(decide({ world: { warmWaits, now: wait.until } }).plan.pulls).toHaveLength(1);
  });

  test('does not hold a gated set longer than the gate lets it', () => {
    const sets = [always({ gate: true })];
    const soon = decide({ sets, world: { warmWaits }, policy: { gatedGoAt: now + 1_000 } });
    expect(soon.plan.waiting).toMatchObject([{ reason: 'warming', until: now + 1_000 }]);
    expect(decide({ sets, world: { warmWaits }, policy: { gatedGoAt: now } }).plan.pulls).toHaveLength(1);
    expect(decide({ world: { warmWaits }, policy: { gatedGoAt: now } }).plan.waiting).toHaveLength(1);
  });

  test('is here meanwhile, where an earlier one is', () => {
    const images = [onNode({ digests: [`harbor.example/ml/a@${sampleDigest('b')}`] })];
    const { plan } = decide({ published: [sampleResolved(a)], images, world: { warmWaits } });
    expect(plan.waiting).toMatchObject([{ reason: 'warming' }]);
  });

  test('keeps nodes apart once it is warm: the spread counts from then', () => {
    const { plan } = decide({ world: { warmWaits } });
    expect(toDueSince(plan, new Map())).toEqual(new Map());
  });
});

describe('an image that its registry refuses', () => {
  const published = [sampleResolved(a, { refusal })];

  test('is not pulled, in the words of the registry', () => {
    const { plan, lookUps } = decide({ published, world: { manifests: new Map() } });
    expect(plan.refused).toEqual([{ reference: a, imageSets: ['s'], ...refusal }]);
    expect(lookUps.manifests).toEqual([]);
    expect(decide({ published, images: [onNode({ whole: false })] }).plan.refused).toHaveLength(1);
  });

  test('stays where it is here, with the refusal; a new one is not pulled over an earlier one', () => {
    const same = onNode({ digests: [`harbor.example/ml/a@${sampleDigest('a')}`] });
    for (const held of [same, onNode()]) {
      const { plan } = decide({ published, images: [held] });
      expect(plan.present).toMatchObject([{ reference: a, refusal }]);
      expect(plan.pulls).toEqual([]);
    }
    expect(decide({ images: [onNode()] }).plan.present[0]).not.toHaveProperty('refusal');
  });

  test('is not what the own configuration refuses: that is told first', () => {
    const { plan } = decide({ published, policy: { isAllowed: () => false } });
    expect(plan.refused).toMatchObject([{ detail: 'not_allowed' }]);
  });
});

test('the published size is held against maxImageSize, without asking', () => {
  const published = [sampleResolved(a, { platforms: [sampleChild('linux/amd64', '2', { sizeBytes: 5_000 })] })];
  const { plan } = decide({ published, policy: { maxImageSizeBytes: 4_999 }, world: { manifests: new Map() } });
  expect(plan.refused).toMatchObject([{ detail: 'image_too_large' }]);
  // A registry that does not answer does not make it unknown.
  expect(decide({ published, policy: { maxImageSizeBytes: 5_000 } }).plan.pulls).toHaveLength(1);
});
