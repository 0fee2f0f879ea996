import { expect, test } from 'vitest';
import { type Desired, nothingDesired } from '../../../agent/core/desired-images.ts';
import { Presence } from '../../../agent/work/presence.ts';
import { samplePattern } from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';

const set = sampleSet('ml', []);
const empty: Desired = { ...nothingDesired, selected: [set], references: new Map([['ml', []]]) };

test('a set whose repositories nobody has resolved yet is not ready, though it names no image', () => {
  const presence = new Presence();
  const unresolved: Desired = {
    ...empty,
    unresolved: [{ imageSet: 'ml', pattern: samplePattern(), failure: undefined }],
  };
  expect(presence.countSets(unresolved, 1_000)[0]?.readyAt).toBeUndefined();
  expect(presence.countSets(empty, 2_000)[0]?.readyAt).toBe(2_000);
});

test('a set without images is ready at once', () => {
  expect(new Presence().countSets(empty, 1_000)[0]?.readyAt).toBe(1_000);
});
