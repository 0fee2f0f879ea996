import { describe, expect, test } from 'vitest';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { planImageSetEvents } from '../../../agent/core/image-set-events.ts';
import { type ImageSetState, toImageSetStates } from '../../../agent/core/image-set-state.ts';
import { toClusterEvent } from '../../../agent/core/node-event-text.ts';
import { planNodeReport } from '../../../agent/core/node-report.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import type { PullPlan } from '../../../agent/core/pull-plan.ts';
import { samplePattern, sampleResolutions, sampleView } from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';
import { a, refusal } from './resolved-world.ts';

const noPulls: PullPlan = { at: 0, pulls: [], waiting: [], present: [], refused: [], unselected: [] };
const here: PullPlan = {
  ...noPulls,
  present: [{ reference: a, imageSets: ['s'], imageId: 'sha256:1', sizeBytes: 1, refusal }],
};
const pattern = samplePattern({ repository: 'llm-*' });
const withPattern = sampleSet('p', [], { patterns: [pattern] });

describe('a set with a pattern', () => {
  const failure = { code: 'auth', detail: 'forbidden', message: 'the robot lacks artifact:list' } as const;

  test('is not ready before somebody has resolved it, and says why it could not be', () => {
    expect(toImageSetStates(toDesired([withPattern], {}), noPulls, new Set())).toMatchObject([
      { images: 1, missing: [{ reference: 'harbor.example/ml/llm-*', why: 'unresolved', failure: undefined }] },
    ]);
    const failed = sampleView(sampleResolutions([], [[pattern, { failure }]]));
    expect(toImageSetStates(toDesired([withPattern], {}, failed), noPulls, new Set())).toMatchObject([
      { missing: [{ why: 'unresolved', failure: 'auth', message: 'the robot lacks artifact:list' }] },
    ]);
  });

  test('counts the members that are here, and is ready where there are none', () => {
    const member = 'harbor.example/ml/llm-a:1';
    const view = sampleView(sampleResolutions([], [[pattern, { members: [member, 'harbor.example/ml/llm-b:1'] }]]));
    const [state] = toImageSetStates(toDesired([withPattern], {}, view), noPulls, new Set([member]));
    expect(state).toMatchObject({ images: 2, missing: [{ reference: 'harbor.example/ml/llm-b:1' }] });
    const none = sampleView(sampleResolutions([], [[pattern, {}]]));
    expect(toImageSetStates(toDesired([withPattern], {}, none), noPulls, new Set())).toMatchObject([
      { images: 0, missing: [] },
    ]);
  });
});

describe('an image that is here and refused', () => {
  const states = toImageSetStates(toDesired([sampleSet('s', [a])], {}), here, new Set([a]));
  const granted: ImageSetState[] = [{ name: 's', gate: false, images: 1, missing: [] }];
  const labels = { 'image-set.stevedore.dev/s': 'ready' };

  test('leaves its set ready, and is named in the condition in the words of the registry, shortened', () => {
    expect(states).toEqual([
      { name: 's', gate: false, images: 1, missing: [], refused: [{ reference: a, message: refusal.message }] },
    ]);
    const condition = (sets: readonly ImageSetState[]) =>
      planNodeReport(sets, standaloneNode('n1', labels), 0).patch?.condition;
    expect(condition(states)).toMatchObject({ status: 'True', reason: 'ImageSetsReady' });
    expect(condition(states)).toMatchObject({ message: expect.stringContaining(`${a}: ${refusal.message}`) });
    const long = [{ ...granted[0], refused: [{ reference: a, message: 'x'.repeat(5_000) }] }] as ImageSetState[];
    const message = (condition(long) as { readonly message: string }).message;
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(condition(granted)).toMatchObject({ message: 'every image of s is present' });
  });

  test('is told once, and again when it was given out in between', () => {
    const told = (before: ReturnType<typeof planImageSetEvents> | undefined, sets: readonly ImageSetState[]) =>
      planImageSetEvents(before?.phases ?? new Map(), sets, labels, 0);
    const first = told(undefined, granted);
    expect(first.events).toEqual([]);
    const second = told(first, states);
    expect(second.events).toEqual([{ kind: 'image_refused', imageSet: 's', reference: a, message: refusal.message }]);
    const third = told(second, states);
    expect(third.events).toEqual([]);
    expect(told(told(third, granted), states).events).toHaveLength(1);
  });

  test('is a Warning in the words of the registry', () => {
    const event = { kind: 'image_refused', imageSet: 's', reference: a, message: 'x'.repeat(5_000) } as const;
    const told = toClusterEvent(event);
    expect(told).toMatchObject({ type: 'Warning', reason: 'ImageRefused' });
    expect(told.note).toContain(`${a} is present, and its registry does not give it out any more: xxx`);
    expect(Buffer.byteLength(told.note)).toBeLessThanOrEqual(1_024);
  });
});

test('an absent image that is refused says the words of the registry in the condition', () => {
  const refused: PullPlan = { ...noPulls, refused: [{ reference: a, imageSets: ['s'], ...refusal }] };
  const states = toImageSetStates(toDesired([sampleSet('s', [a])], {}), refused, new Set());
  expect(planNodeReport(states, standaloneNode('n1', {}), 0).patch?.condition).toMatchObject({
    status: 'False',
    reason: 'ImageSetsFailed',
    message: `s lacks 1 of 1 images; ${a}: policy: ${refusal.message}`,
  });
});
