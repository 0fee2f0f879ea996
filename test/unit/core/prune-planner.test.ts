import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ImagePart, PartCounts } from '../../../agent/core/image-parts.ts';
import type { PrunePlan } from '../../../agent/core/prune-plan.ts';
import { type PruneRequest, type PruneWorld, planPrune } from '../../../agent/core/prune-planner.ts';
import { namesOf, type PruneImage, toUsedImages } from '../../../agent/core/prune-protection.ts';
import type { LastUse } from '../../../agent/core/usage.ts';

const hour = 3_600_000;
const cases = Number(process.env['STEVEDORE_PROPERTY_CASES'] ?? 2_000);

interface Sample {
  readonly image: PruneImage;
  readonly parts: readonly ImagePart[];
  readonly lastUse: LastUse | undefined;
  readonly inUse: boolean;
  readonly desired: boolean;
  readonly pulling: boolean;
  readonly infrastructure: boolean;
  readonly keepRule: boolean;
  readonly newest: boolean;
}

const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const partOf = (key: number): ImagePart => ({ key: `part-${key}`, store: 'layer', bytes: ((key * 7_919) % 97) + 1 });
const lastUse = fc.record({
  unusedForMs: fc.integer({ min: 0, max: 400 * hour }),
  knownForMs: fc.integer({ min: 0, max: 500 * hour }),
  lastUsedAt: fc.constant(0),
  source: fc.constant('in_use' as const),
});

const sample = (index: number): fc.Arbitrary<Sample> =>
  fc.record({
    image: fc.record({
      id: fc.constant(`sha256:${index}`),
      tags: fc.constant([`reg.example/a${index}:1`]),
      digests: fc.constant([`reg.example/a${index}@sha256:${index}`]),
      sizeBytes: fc.constant(1),
      pinned: fc.constant(false),
      whole: fc.constant(true),
      pinnedByOthers: rarely,
      builtAt: fc.constant(undefined),
    }),
    parts: fc.array(fc.integer({ min: 0, max: 30 }).map(partOf), { maxLength: 6 }),
    lastUse: fc.option(lastUse, { nil: undefined, freq: 8 }),
    inUse: rarely,
    desired: rarely,
    pulling: rarely,
    infrastructure: rarely,
    keepRule: rarely,
    newest: rarely,
  });

const watermarks = {
  low: { kind: 'used', ratio: 0.65 },
  high: { kind: 'used', ratio: 0.75 },
  critical: { kind: 'used', ratio: 0.82 },
} as const;

const worlds = fc.integer({ min: 0, max: 25 }).chain((count) =>
  fc.record({
    samples: fc.tuple(...Array.from({ length: count }, (_, index) => sample(index))),
    availBytes: fc.integer({ min: 0, max: 1_000 }),
    request: fc.record({ age: fc.boolean(), space: fc.boolean(), needBytes: fc.constantFrom(0, 0, 50, 500) }),
  }),
);

function toWorld(samples: readonly Sample[], availBytes: number): PruneWorld {
  const idsOf = (pick: (one: Sample) => boolean) => samples.filter(pick).map(({ image }) => image.id);
  const tagsOf = (pick: (one: Sample) => boolean) => samples.filter(pick).map(({ image }) => image.tags[0] ?? '');
  const kept = new Set(idsOf(({ keepRule }) => keepRule));
  return {
    now: 0,
    images: samples.map(({ image }) => image),
    parts: new Map(samples.map(({ image, parts }) => [image.id, parts])),
    filesystem: { mountpoint: '/', sizeBytes: 1_000, availBytes, files: 10, filesFree: 10 },
    lastUses: new Map(
      samples.flatMap(({ image, lastUse: use }) => (use === undefined ? [] : [[image.id, use] as const])),
    ),
    protection: {
      containers: samples
        .filter(({ inUse }) => inUse)
        .map(({ image }, at) => ({
          id: `c${at}`,
          state: 'exited',
          imageId: at % 2 === 0 ? image.id : undefined,
          imageName: at % 2 === 0 ? undefined : image.digests[0],
          createdAt: 0,
        })),
      desired: new Set(tagsOf(({ desired }) => desired)),
      pulling: new Set(tagsOf(({ pulling }) => pulling)),
      infrastructure: new Set(idsOf(({ infrastructure }) => infrastructure)),
      isKeptByRule: ({ id }) => kept.has(id),
      minimumAgeMs: hour,
      newest: new Set(idsOf(({ newest }) => newest)),
    },
    policy: { unusedForMs: 168 * hour, spaceGraceMs: 24 * hour, watermarks },
  };
}

function holds(check: (world: PruneWorld, plan: PrunePlan, samples: readonly Sample[], request: PruneRequest) => void) {
  fc.assert(
    fc.property(worlds, ({ samples, availBytes, request }) => {
      const world = toWorld(samples, availBytes);
      check(world, planPrune(world, request), samples, request);
    }),
    { numRuns: cases },
  );
}

const removals = ({ images }: PrunePlan) => images.filter(({ decision }) => decision.kind === 'remove');

describe('in any world', () => {
  test('every image has exactly one decision', () => {
    holds((world, plan) => {
      expect(plan.images.map(({ imageId }) => imageId).toSorted()).toEqual(world.images.map(({ id }) => id).toSorted());
    });
  });

  test('nothing is removed that is in use, desired, being pulled, infrastructure, pinned, kept by rule, young, newest or unknown', () => {
    holds((world, plan, samples) => {
      const used = toUsedImages(world.protection.containers);
      for (const { imageId } of removals(plan)) {
        const one = samples.find(({ image }) => image.id === imageId);
        if (one === undefined) throw new Error(`planned an image that is not there: ${imageId}`);
        const isUsed = used.has(imageId) || namesOf(one.image).some((name) => used.has(name));
        const { desired, pulling, infrastructure, keepRule, newest, image, lastUse: use } = one;
        const isProtected =
          isUsed || desired || pulling || infrastructure || keepRule || newest || image.pinnedByOthers;
        expect(isProtected || use === undefined || use.knownForMs < hour).toBe(false);
      }
    });
  });

  test('the bytes add up, shared parts counted where their last user goes', () => {
    holds((world, plan) => {
      const counts = new PartCounts(world.images.map(({ id }) => world.parts.get(id) ?? []));
      let sum = 0;
      for (const { imageId, freesBytes, cumulativeBytes } of removals(plan)) {
        expect(freesBytes).toBe(counts.remove(world.parts.get(imageId) ?? []));
        sum += freesBytes;
        expect(cumulativeBytes).toBe(sum);
      }
      const left = new Set(
        plan.images.filter(({ decision }) => decision.kind === 'keep').map(({ imageId }) => imageId),
      );
      const stay = new Set(
        world.images
          .filter(({ id }) => left.has(id))
          .flatMap(({ id }) => world.parts.get(id) ?? [])
          .map(({ key }) => key),
      );
      const all = new Map(
        world.images.flatMap(({ id }) => world.parts.get(id) ?? []).map(({ key, bytes }) => [key, bytes]),
      );
      const gone = [...all].filter(([key]) => !stay.has(key)).reduce((total, [, bytes]) => total + bytes, 0);
      expect(sum).toBe(removals(plan).length === 0 ? 0 : gone);
    });
  });

  test('removals for space stop at the target: the last one alone may overshoot', () => {
    holds((_world, plan) => {
      const forSpace = removals(plan).filter(({ decision }) => decision.kind === 'remove' && decision.reason !== 'age');
      for (const { cumulativeBytes, freesBytes } of forSpace) {
        expect(cumulativeBytes - freesBytes).toBeLessThan(plan.targetBytes);
      }
    });
  });

  test('what is removed first was used longest ago, within one reason', () => {
    holds((world, plan) => {
      const unused = (id: string) => world.lastUses.get(id)?.unusedForMs ?? 0;
      const byReason = Map.groupBy(removals(plan), ({ decision }) => decision.reason);
      for (const group of byReason.values()) {
        group
          .slice(1)
          .forEach(({ imageId }, at) => expect(unused(imageId)).toBeLessThanOrEqual(unused(group[at]?.imageId ?? '')));
      }
    });
  });

  test('only above critical is the grace ignored, and never more freed than down to high', () => {
    holds((world, plan, _samples, request) => {
      const critical = removals(plan).filter(({ decision }) => decision.reason === 'critical');
      if (critical.length > 0) expect(request.space && (world.filesystem?.availBytes ?? 0) < 180).toBe(true);
      for (const { imageId, decision } of removals(plan)) {
        if (decision.reason === 'space')
          expect(world.lastUses.get(imageId)?.unusedForMs).toBeGreaterThanOrEqual(24 * hour);
        if (decision.reason === 'age')
          expect(world.lastUses.get(imageId)?.unusedForMs).toBeGreaterThanOrEqual(168 * hour);
      }
    });
  });

  test('planning twice gives the same, in whatever order the images are listed', () => {
    fc.assert(
      fc.property(worlds, ({ samples, availBytes, request }) => {
        const world = toWorld(samples, availBytes);
        const again = planPrune({ ...world, images: world.images.toReversed() }, request);
        expect(removals(again)).toEqual(removals(planPrune(world, request)));
      }),
      { numRuns: cases },
    );
  });
});
