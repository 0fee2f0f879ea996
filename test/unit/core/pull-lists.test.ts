import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { sampleChild, sampleDigest, sampleResolved } from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';
import { decide, now, onNode, refusal } from './resolved-world.ts';

vi.setConfig({ testTimeout: 30_000 });

test('every desired image is in exactly one list, whatever is published, held, warming or refused', () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `harbor.example/ml/${name}:1`);
  const rarely = fc.integer({ min: 0, max: 3 }).map((n) => n === 0);
  const digest = fc.constantFrom('1', '2', '3').map(sampleDigest);
  const state = fc.record({
    always: fc.boolean(),
    gate: fc.boolean(),
    published: fc.option(
      fc.record({
        digest: fc.option(digest, { nil: undefined }),
        isProxied: fc.boolean(),
        platforms: fc.constantFrom([], [sampleChild('linux/amd64', '1')], [sampleChild('linux/arm64', '1')]),
        isRefused: rarely,
      }),
    ),
    held: fc.option(fc.record({ whole: fc.boolean(), digest })),
    isWarming: rarely,
    isInFlight: rarely,
    isBackedOff: rarely,
  });
  fc.assert(
    fc.property(fc.array(state, { minLength: 5, maxLength: 5 }), fc.integer({ min: 0, max: 2 }), (states, gone) => {
      const each = names.flatMap((reference, index) => {
        const one = states[index];
        return one === undefined ? [] : [{ reference, ...one }];
      });
      const failure = new Failure('upstream', 'no');
      const decision = decide({
        sets: each.map(({ reference, always: isAlways, gate }, index) =>
          sampleSet(`s${index}`, [reference], { gate, pullPolicy: isAlways ? 'Always' : 'IfNotPresent' }),
        ),
        published: each.flatMap(({ reference, published }) => {
          if (published === null) return [];
          const { isRefused, ...known } = published;
          return [sampleResolved(reference, { ...known, ...(isRefused ? { refusal } : {}) })];
        }),
        images: each.flatMap(({ reference, held }) =>
          held === null
            ? []
            : [
                onNode({
                  id: reference,
                  tags: [reference],
                  digests: [reference.replace(':1', `@${held.digest}`)],
                  whole: held.whole,
                }),
              ],
        ),
        policy: { gatedGoAt: now + gone * 1_000 },
        world: {
          warmWaits: new Map(
            each.flatMap(({ reference, isWarming }) =>
              isWarming ? [[reference, { message: 'cold', until: now + 1_000 }] as const] : [],
            ),
          ),
          inFlight: new Map(
            each.flatMap(({ reference, isInFlight }) =>
              isInFlight ? [[reference, { manifest: undefined, downloadedBytes: 0 }] as const] : [],
            ),
          ),
          backoffs: new Map(
            each.flatMap(({ reference, isBackedOff }) =>
              isBackedOff ? [[reference, { until: now + 5_000, failure }] as const] : [],
            ),
          ),
        },
      });
      const { pulls, waiting, present, refused } = decision.plan;
      const listed = [...pulls, ...waiting, ...present, ...refused].map(({ reference }) => reference);
      expect(listed.toSorted()).toEqual(names);
    }),
    { numRuns: 300 },
  );
});
