import { describe, expect, test } from 'vitest';
import type { ImageFilesystem } from '../../../agent/core/node-images.ts';
import { isAboveWatermark, type PrunePolicy, type PruneRequest, toGoals } from '../../../agent/core/prune-goals.ts';
import { planPrune } from '../../../agent/core/prune-planner.ts';
import type { LastUse } from '../../../agent/core/usage.ts';

const hour = 3_600_000;
const share = (ratio: number) => ({ kind: 'used', ratio }) as const;
const free = (bytes: number) => ({ kind: 'free', bytes }) as const;
const policy: PrunePolicy = {
  unusedForMs: 168 * hour,
  spaceGraceMs: 24 * hour,
  watermarks: { low: share(0.65), high: share(0.75), critical: share(0.82) },
};
const byFreeSpace = { ...policy, watermarks: { low: free(350), high: free(250), critical: free(180) } };
const watermarks: PruneRequest = { age: false, space: 'watermarks', needBytes: 0, untilFreeBytes: undefined };

function disk(availBytes: number, more: Partial<ImageFilesystem> = {}): ImageFilesystem {
  return { mountpoint: '/', sizeBytes: 1_000, availBytes, files: 100, filesFree: 100, ...more };
}

const used = (unusedForMs: number): LastUse => ({
  unusedForMs,
  knownForMs: 900 * hour,
  lastUsedAt: 0,
  source: 'in_use',
});

/** What each goal is for, how much it asks to be free, and whether it may take what was used an hour, two days and ten days ago. */
function goals(filesystem: ImageFilesystem | undefined, request: Partial<PruneRequest>, by = policy) {
  return toGoals(filesystem, by, { ...watermarks, ...request }).map(({ reason, availBytes, filesFree, mayTake }) => [
    reason,
    availBytes,
    filesFree,
    [1, 48, 240].filter((hours) => mayTake(used(hours * hour))),
  ]);
}

describe('the watermarks', () => {
  test('at or below high ask for nothing', () => {
    expect(goals(disk(250), {})).toEqual([]);
    expect(goals(disk(1_000), {})).toEqual([]);
  });

  test('above high ask to come down to low, of what is past the grace', () => {
    expect(goals(disk(249), {})).toEqual([['space', 350, 0, [48, 240]]]);
  });

  test('above critical ask for high as well, whatever the grace', () => {
    expect(goals(disk(180), {})).toHaveLength(1);
    expect(goals(disk(179), {})).toEqual([
      ['space', 350, 0, [48, 240]],
      ['critical', 250, 0, [1, 48, 240]],
    ]);
  });

  test('count inodes as they count bytes, and each asks only for what it lacks', () => {
    expect(goals(disk(900, { filesFree: 24 }), {})).toEqual([['space', 0, 35, [48, 240]]]);
    expect(goals(disk(249, { filesFree: 17 }), {})).toEqual([
      ['space', 350, 35, [48, 240]],
      ['critical', 0, 25, [1, 48, 240]],
    ]);
  });

  test('of free space say nothing of inodes, and neither does a filesystem that counts none', () => {
    expect(goals(disk(900, { filesFree: 1 }), {}, byFreeSpace)).toEqual([]);
    expect(goals(disk(900, { files: 0, filesFree: 0 }), {})).toEqual([]);
    expect(isAboveWatermark(disk(900, { filesFree: 1 }), share(0.75))).toBe(true);
  });

  test('may be given as free space', () => {
    expect(goals(disk(250), {}, byFreeSpace)).toEqual([]);
    expect(goals(disk(170), {}, byFreeSpace)).toEqual([
      ['space', 350, 0, [48, 240]],
      ['critical', 250, 0, [1, 48, 240]],
    ]);
  });

  test('ask for nothing where the filesystem is not known, and age still counts', () => {
    expect(goals(undefined, { age: true, needBytes: 5 })).toEqual([['age', Number.POSITIVE_INFINITY, 0, [240]]]);
  });
});

describe('a pull that needs room', () => {
  test('asks for that much below high, of what is past the grace, whatever the level is', () => {
    expect(goals(disk(260), { space: 'none', needBytes: 40 })).toEqual([['space', 290, 0, [48, 240]]]);
  });

  test('stands beside the watermarks', () => {
    expect(goals(disk(200), { needBytes: 40 }).map(([reason, bytes]) => [reason, bytes])).toEqual([
      ['space', 290],
      ['space', 350],
    ]);
  });
});

describe('by hand', () => {
  test('the space tier goes to low also from below high', () => {
    expect(goals(disk(300), { space: 'space' })).toEqual([['space', 350, 35, [48, 240]]]);
  });

  test('the critical tier goes to low, gentle first', () => {
    expect(goals(disk(300), { space: 'critical' })).toEqual([
      ['space', 350, 35, [48, 240]],
      ['critical', 350, 35, [1, 48, 240]],
    ]);
  });

  test('until so much is free takes the place of the watermarks, for every tier', () => {
    expect(goals(disk(100), { untilFreeBytes: 120 })).toEqual([['manual', 120, 0, [48, 240]]]);
    expect(goals(disk(100), { untilFreeBytes: 120, space: 'critical' })).toEqual([['manual', 120, 0, [1, 48, 240]]]);
    expect(goals(disk(100), { untilFreeBytes: 120, space: 'none', age: true })).toEqual([['age', 120, 0, [240]]]);
    expect(goals(undefined, { untilFreeBytes: 120, age: true })).toEqual([]);
  });
});

describe('the plan for a goal', () => {
  /** Ten images of 10 % of the disk, the first used longest ago; only the last two within the grace. */
  const images = Array.from({ length: 10 }, (_, at) => ({
    id: `sha256:${at}`,
    tags: [`reg.example/a:${at}`],
    digests: [],
    sizeBytes: 100,
    pinnedNames: [],
    pinnedByOthers: false,
    whole: true,
  }));
  const nothing = new Set<string>();

  function removed(filesystem: ImageFilesystem, begunAt: ImageFilesystem, request: PruneRequest = watermarks) {
    const plan = planPrune(
      {
        now: 0,
        images,
        parts: new Map(images.map(({ id }) => [id, [{ key: id, store: 'layer', bytes: 100, inodes: 4 }]])),
        details: new Map(),
        filesystem,
        lastUses: new Map(images.map(({ id }, at) => [id, used((100 - 11 * at) * hour)])),
        protection: {
          containers: [],
          desired: nothing,
          pulling: nothing,
          infrastructure: nothing,
          isKeptByRule: () => false,
          minimumAgeMs: hour,
          newest: nothing,
          failed: nothing,
        },
        policy,
      },
      toGoals(begunAt, policy, request),
    );
    return plan.images.flatMap(({ names: [name = ''], decision }) =>
      decision.kind === 'remove' ? [`${name.slice(-1)} ${decision.reason}`] : [],
    );
  }

  test('a run that began above high goes on down to low when it is below high again', () => {
    expect(removed(disk(240), disk(240))).toEqual(['0 space', '1 space']);
    expect(removed(disk(300), disk(240))).toEqual(['0 space']);
    expect(removed(disk(350), disk(240))).toEqual([]);
    expect(removed(disk(300), disk(300))).toEqual([]);
  });

  test('above critical, what is past the grace goes first and down to low; the rest only down to high', () => {
    const seven = [0, 1, 2, 3, 4, 5, 6].map((at) => `${at} space`);
    expect(removed(disk(-500), disk(-500))).toEqual([...seven, '7 critical']);
    expect(removed(disk(10), disk(10))).toEqual(seven.slice(0, 4));
  });

  test('room for a pull takes no more than it needs', () => {
    expect(removed(disk(260), disk(260), { ...watermarks, space: 'none', needBytes: 40 })).toEqual(['0 space']);
    expect(removed(disk(290), disk(260), { ...watermarks, space: 'none', needBytes: 40 })).toEqual([]);
  });

  test('what goes for inodes alone says so', () => {
    const full = disk(900, { filesFree: 20 });
    expect(removed(full, full)).toEqual([0, 1, 2, 3].map((at) => `${at} inodes`));
  });
});
