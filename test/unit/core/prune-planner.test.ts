import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { type ImagePart, PartCounts } from '../../../agent/core/image-parts.ts';
import { orderForEviction } from '../../../agent/core/prune-order.ts';
import type { PrunePlan } from '../../../agent/core/prune-plan.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';
import { type PruneWorld, planPrune } from '../../../agent/core/prune-planner.ts';
import { namesOf, toUsedImages } from '../../../agent/core/prune-protection.ts';
import { type PruneRequest, toGoals } from '../../../agent/core/prune-goals.ts';
import type { LastUse } from '../../../agent/core/usage.ts';

const hour = 3_600_000;
const cases = Number(process.env['STEVEDORE_PROPERTY_CASES'] ?? 1_000);

// A million of them, or a few on a busy machine, take longer than a test should.
vi.setConfig({ testTimeout: 20_000 + cases * 10 });

interface Sample {
  readonly image: RuntimeImage;
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
const partOf = (key: number): ImagePart => ({
  key: `part-${key}`,
  store: 'layer',
  bytes: ((key * 7_919) % 97) + 1,
  inodes: key % 3,
});
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
      pinnedNames: fc.constant([]),
      whole: fc.constant(true),
      pinnedByOthers: rarely,
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
const policy = { unusedForMs: 168 * hour, spaceGraceMs: 24 * hour, watermarks };

const worlds = fc.integer({ min: 0, max: 25 }).chain((count) =>
  fc.record({
    samples: fc.tuple(...Array.from({ length: count }, (_, index) => sample(index))),
    availBytes: fc.integer({ min: 0, max: 1_000 }),
    filesFree: fc.integer({ min: 0, max: 100 }),
    request: fc.record({
      age: fc.boolean(),
      space: fc.constantFrom('none', 'watermarks', 'watermarks', 'space', 'critical'),
      needBytes: fc.constantFrom(0, 0, 50, 500),
      untilFreeBytes: fc.constantFrom(undefined, undefined, undefined, 300, 900),
    }),
  }),
);

function toWorld(samples: readonly Sample[], availBytes: number, filesFree: number): PruneWorld {
  const idsOf = (pick: (one: Sample) => boolean) => samples.filter(pick).map(({ image }) => image.id);
  const tagsOf = (pick: (one: Sample) => boolean) => samples.filter(pick).map(({ image }) => image.tags[0] ?? '');
  const kept = new Set(idsOf(({ keepRule }) => keepRule));
  return {
    now: 0,
    images: samples.map(({ image }) => image),
    parts: new Map(samples.map(({ image, parts }) => [image.id, parts])),
    details: new Map(),
    filesystem: { mountpoint: '/', sizeBytes: 1_000, availBytes, files: 100, filesFree },
    lastUses: new Map(
      samples.flatMap(({ image, lastUse: use }) => (use === undefined ? [] : [[image.id, use] as const])),
    ),
    protection: {
      containers: samples
        .filter(({ inUse }) => inUse)
        .map(({ image }, at) => ({
          id: `c${at}`,
          state: 'exited',
          imageIds: at % 2 === 0 ? [image.id] : [],
          imageName: at % 2 === 0 ? undefined : image.digests[0],
          createdAt: 0,
          startedAt: undefined,
          finishedAt: undefined,
        })),
      desired: new Set(tagsOf(({ desired }) => desired)),
      pulling: new Set(tagsOf(({ pulling }) => pulling)),
      infrastructure: new Set(idsOf(({ infrastructure }) => infrastructure)),
      isKeptByRule: ({ id }) => kept.has(id),
      minimumAgeMs: hour,
      newest: new Set(idsOf(({ newest }) => newest)),
      failed: new Set(),
    },
    policy,
  };
}

function holds(check: (world: PruneWorld, plan: PrunePlan, samples: readonly Sample[], request: PruneRequest) => void) {
  fc.assert(
    fc.property(worlds, ({ samples, availBytes, filesFree, request }) => {
      const world = toWorld(samples, availBytes, filesFree);
      check(world, planPrune(world, toGoals(world.filesystem, policy, request)), samples, request);
    }),
    { numRuns: cases },
  );
}

/** What the planner takes a file to be where a runtime tells no inodes. */
function averageFileBytes({ filesystem }: PruneWorld): number {
  if (filesystem === undefined || filesystem.files === filesystem.filesFree) return Number.POSITIVE_INFINITY;
  const { sizeBytes, availBytes, files, filesFree } = filesystem;
  return Math.max(1, (sizeBytes - availBytes) / (files - filesFree));
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
        expect(freesBytes).toBe(counts.remove(world.parts.get(imageId) ?? []).bytes);
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

  test('removals for a target stop at it: the last one alone may overshoot', () => {
    holds((world, plan) => {
      let freedInodes = 0;
      const counts = new PartCounts(world.images.map(({ id }) => world.parts.get(id) ?? []));
      for (const { imageId, decision, cumulativeBytes, freesBytes } of removals(plan)) {
        if (decision.reason !== 'age') {
          const missesBytes = cumulativeBytes - freesBytes < plan.targetBytes;
          expect(missesBytes || freedInodes < plan.targetInodes).toBe(true);
        }
        const { bytes, inodes } = counts.remove(world.parts.get(imageId) ?? []);
        freedInodes += inodes > 0 ? inodes : Math.floor(bytes / averageFileBytes(world));
      }
    });
  });

  test('a target by hand binds the age tier too', () => {
    holds((world, plan, _samples, { untilFreeBytes, needBytes }) => {
      if (untilFreeBytes === undefined || needBytes > 0) return;
      const missing = Math.max(0, untilFreeBytes - (world.filesystem?.availBytes ?? 0));
      for (const { cumulativeBytes, freesBytes } of removals(plan)) {
        expect(cumulativeBytes - freesBytes).toBeLessThan(missing);
      }
    });
  });

  test('within one reason they go in the order of eviction', () => {
    holds((world, plan) => {
      const toEviction = (id: string) => {
        const { unusedForMs = 0, knownForMs = 0 } = world.lastUses.get(id) ?? {};
        return { id, repositories: [`reg.example/a${id.slice(7)}`], builtAt: undefined, unusedForMs, knownForMs };
      };
      const byReason = Map.groupBy(removals(plan), ({ decision }) => decision.reason);
      for (const group of byReason.values()) {
        const images = group.map(({ imageId }) => toEviction(imageId));
        expect(orderForEviction(images.toReversed(), images)).toEqual(images);
      }
    });
  });

  test('grace and age are honoured; only above critical, or by hand, is the grace ignored', () => {
    holds((world, plan, _samples, { space }) => {
      for (const { imageId, decision } of removals(plan)) {
        const unusedForMs = world.lastUses.get(imageId)?.unusedForMs ?? 0;
        if (decision.reason === 'age') expect(unusedForMs).toBeGreaterThanOrEqual(168 * hour);
        if (decision.reason === 'space') expect(unusedForMs).toBeGreaterThanOrEqual(24 * hour);
        if (decision.reason === 'inodes') expect(unusedForMs).toBeGreaterThanOrEqual(24 * hour);
        if (decision.reason === 'manual' && space !== 'critical') {
          expect(unusedForMs).toBeGreaterThanOrEqual(24 * hour);
        }
        if (decision.reason === 'critical' && space === 'watermarks') {
          const { availBytes = 0, filesFree = 0 } = world.filesystem ?? {};
          expect(availBytes < 180 || filesFree < 18).toBe(true);
        }
      }
    });
  });

  test('planning twice gives the same, in whatever order the images are listed', () => {
    fc.assert(
      fc.property(worlds, ({ samples, availBytes, filesFree, request }) => {
        const world = toWorld(samples, availBytes, filesFree);
        const goals = toGoals(world.filesystem, policy, request);
        const again = planPrune({ ...world, images: world.images.toReversed() }, goals);
        expect(removals(again)).toEqual(removals(planPrune(world, goals)));
      }),
      { numRuns: cases },
    );
  });
});
