import { describe, expect, it } from 'vitest';
import { toPlanPrune } from '../../agent/core/prune-document.ts';
import { gibi, samplePrune } from './prune-plan-sample.ts';

const at = Date.UTC(2026, 0, 12);

describe('the prune plan in the plan document', () => {
  it('has every image once, in the order of the plan, with exactly its decision', () => {
    const { plan } = samplePrune(at);
    const { images } = toPlanPrune(samplePrune(at)) ?? { images: [] };
    expect(images.map(({ names, decision }) => ({ names, decision }))).toEqual(
      (plan?.images ?? []).map(({ names, decision }) => ({ names, decision })),
    );
  });

  it('gives the last use as a time, where it is known from, and all bytes', () => {
    const images = toPlanPrune(samplePrune(at))?.images ?? [];
    expect(images[1]).toMatchObject({
      lastUsedAt: '2026-01-09T00:00:00.000Z',
      lastUsedFrom: 'first_seen',
      sizeBytes: 4 * gibi,
      freesBytes: 3 * gibi,
      cumulativeBytes: 4 * gibi,
    });
    const unknown = images.find(({ decision }) => decision.reason === 'unknown_use');
    expect(Object.keys(unknown ?? {})).toEqual([
      'imageId',
      'names',
      'decision',
      'sizeBytes',
      'freesBytes',
      'cumulativeBytes',
    ]);
  });

  it('adds up what is removed', () => {
    expect(toPlanPrune(samplePrune(at))?.totals).toEqual({
      remove: 3,
      keep: 11,
      freesBytes: 4 * gibi,
      reclaimableBytes: 8 * gibi,
      targetBytes: 6 * gibi,
      targetInodes: 1000,
      shortfallInodes: 0,
      shortfallBytes: 2 * gibi,
    });
  });

  it('counts leftovers by kind, and says how many have no known size', () => {
    expect(toPlanPrune(samplePrune(at))?.leftovers).toEqual([
      { kind: 'ingest', count: 2, bytes: gibi, unknownSizes: 1 },
      { kind: 'lease', count: 1, bytes: 0, unknownSizes: 1 },
    ]);
  });

  it('is missing when there is no plan', () => {
    expect(toPlanPrune({ ...samplePrune(at), plan: undefined })).toBeUndefined();
  });
});
