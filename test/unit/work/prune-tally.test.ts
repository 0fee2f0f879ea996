import { beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { KeepReason, PlannedImage, PrunePlan } from '../../../agent/core/prune-plan.ts';
import type { PruneRoundEvent } from '../../../agent/core/prune-round.ts';
import { PruneTally } from '../../../agent/work/prune-tally.ts';

let events: PruneRoundEvent[];
let tally: PruneTally;

beforeEach(() => {
  begin();
});

function begin(dryRun = false): void {
  events = [];
  tally = new PruneTally({ trigger: 'manual', dryRun, onEvent: (event) => events.push(event) }, silentLogger);
}

function image(imageId: string, keep?: KeepReason): PlannedImage {
  const decision =
    keep === undefined ? ({ kind: 'remove', reason: 'age' } as const) : ({ kind: 'keep', reason: keep } as const);
  const bytes = { sizeBytes: 10, freesBytes: 7, cumulativeBytes: 7 };
  return { imageId, names: [`reg.example/${imageId}:1`], decision, lastUsedAt: 0, lastUsedFrom: 'pulled', ...bytes };
}

function plan(images: readonly PlannedImage[], shortfallBytes = 0): PrunePlan {
  const diskBytes = { content: 0, snapshot: 0, layer: 0 };
  return {
    at: 0,
    images,
    targetBytes: 20,
    targetInodes: 0,
    shortfallInodes: 0,
    shortfallBytes,
    reclaimableBytes: 0,
    diskBytes,
  };
}

const removed = { kind: 'removed', reclaimedBytes: 6, seconds: 1 } as const;
const skipped = () => events.flatMap((event) => (event.kind === 'skipped' ? [`${event.imageId} ${event.reason}`] : []));

describe('what was planned and did not happen', () => {
  test('is told with what changed, once', () => {
    tally.planned(plan([image('a'), image('b'), image('c')]));
    tally.tried(image('a'), 'age', removed);
    tally.planned(plan([image('c'), image('b', 'in_use')]));
    tally.tried(image('c'), 'age', { kind: 'skipped', reason: 'desired' });
    tally.planned(plan([image('b', 'in_use'), image('c', 'desired')]));
    expect(skipped()).toEqual(['b in_use', 'c desired']);
    expect(tally.finish(0)).toMatchObject({ removed: 1, skipped: 2, outcome: 'success' });
  });

  test('is absent where somebody else removed it meanwhile; what the run itself removed is not', () => {
    tally.planned(plan([image('a'), image('b')]));
    tally.tried(image('a'), 'age', removed);
    tally.planned(plan([]));
    tally.planned(plan([]));
    expect(skipped()).toEqual(['b absent']);
  });

  test('is nothing to tell where the target was met without it', () => {
    tally.planned(plan([image('a'), image('b')]));
    tally.tried(image('a'), 'space', removed);
    tally.planned(plan([image('b', 'not_needed')]));
    expect(skipped()).toEqual([]);
  });
});

describe('the outcome', () => {
  const failed = { kind: 'failed', failure: new Failure('runtime', 'busy') } as const;

  test('is noop, success, partial or error', () => {
    tally.planned(plan([]));
    expect(tally.result.outcome).toBe('noop');
    begin();
    tally.planned(plan([image('a')]));
    tally.tried(image('a'), 'age', removed);
    expect(tally.finish(5)).toMatchObject({
      outcome: 'success',
      reclaimedBytes: 6,
      filesystemFreedBytes: 5,
      nominalBytes: 10,
    });
    tally.tried(image('b'), 'age', failed);
    expect(tally.result.outcome).toBe('partial');
    begin();
    tally.planned(plan([image('b')]));
    tally.tried(image('b'), 'age', failed);
    expect(tally.result.outcome).toBe('error');
  });

  test('of a run that fell short of its target is partial, of a dry run it is not', () => {
    tally.planned(plan([], 9));
    expect(tally.result).toMatchObject({ outcome: 'partial', shortfallBytes: 9, shortfallInodes: 0 });
    begin();
    tally.planned({ ...plan([]), shortfallInodes: 3 });
    expect(tally.result).toMatchObject({ outcome: 'partial', shortfallInodes: 3 });
    begin(true);
    tally.planned(plan([image('a')], 9));
    expect(tally.result.outcome).toBe('noop');
    expect(events).toContainEqual(expect.objectContaining({ kind: 'would_remove', imageId: 'a' }));
  });

  test('of a run that broke says so, with what it had done', () => {
    tally.planned(plan([image('a')]));
    tally.tried(image('a'), 'age', removed);
    tally.broke();
    expect(tally.finish(0)).toMatchObject({ outcome: 'partial', removed: 1 });
  });
});
