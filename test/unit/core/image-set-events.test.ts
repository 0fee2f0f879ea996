import { expect, test } from 'vitest';
import type { FailureCode } from '../../../agent/core/failure.ts';
import { type ImageSetPhases, planImageSetEvents } from '../../../agent/core/image-set-events.ts';
import type { ImageSetState, MissingImage } from '../../../agent/core/image-set-state.ts';
import type { Labels } from '../../../agent/core/label-selector.ts';

const minuteMs = 60_000;

/** What was said, look after look. */
function follow(labels: Labels = {}) {
  let phases: ImageSetPhases = new Map();
  return (minutes: number, ...sets: readonly ImageSetState[]): readonly string[] => {
    const planned = planImageSetEvents(phases, sets, labels, minutes * minuteMs);
    phases = planned.phases;
    return planned.events.map((event) =>
      event.kind === 'image_set_failed'
        ? `${event.imageSet} failed: ${event.reference} ${event.code}`
        : `${event.kind === 'image_set_ready' ? event.imageSet : ''} ready`,
    );
  };
}

const absent = (reference: string): MissingImage => ({
  reference,
  why: 'running',
  failure: undefined,
  message: undefined,
});
const failing = (reference: string, failure: FailureCode): MissingImage => ({
  reference,
  why: 'backoff',
  failure,
  message: 'why',
});
const set = (...missing: readonly MissingImage[]): ImageSetState => ({ name: 'gpu', gate: false, images: 2, missing });

test('a set that becomes ready is told once, and again when it was not ready in between', () => {
  const look = follow();
  expect(look(0, set(absent('a')))).toEqual([]);
  expect(look(1, set())).toEqual(['gpu ready']);
  expect(look(2, set())).toEqual([]);
  expect(look(3, set(absent('a')))).toEqual([]);
  expect(look(4, set())).toEqual(['gpu ready']);
});

test('at the start a set that the label already calls ready is no news; one that is called pending is', () => {
  expect(follow({ 'image-set.stevedore.dev/gpu': 'ready' })(0, set())).toEqual([]);
  expect(follow({ 'image-set.stevedore.dev/gpu': 'pending' })(0, set())).toEqual(['gpu ready']);
});

test('a failure that lasts is told at once, and not again while the image is tried again', () => {
  const look = follow();
  expect(look(0, set(failing('a', 'not_found')))).toEqual(['gpu failed: a not_found']);
  expect(look(1, set(absent('a')))).toEqual([]);
  expect(look(2, set(failing('a', 'not_found'), failing('b', 'auth')))).toEqual([]);
  expect(look(3, set())).toEqual(['gpu ready']);
});

test('a failure that passes by itself is told when it comes again 5 minutes later', () => {
  const look = follow();
  expect(look(0, set(failing('a', 'network')))).toEqual([]);
  expect(look(3, set(absent('a')))).toEqual([]);
  expect(look(4, set(failing('a', 'timeout')))).toEqual([]);
  expect(look(5, set(failing('a', 'timeout')))).toEqual(['gpu failed: a timeout']);
});

test('once the image that failed is here or no longer asked for, another failure is news', () => {
  const look = follow();
  look(0, set(failing('a', 'not_found'), absent('b')));
  expect(look(1, set(absent('b')))).toEqual([]);
  expect(look(2, set(failing('b', 'auth')))).toEqual(['gpu failed: b auth']);
});

test('a refused image is a failure that lasts', () => {
  const refused = { reference: 'a', why: 'refused', failure: undefined, message: 'not in prefetch.allow' };
  expect(follow()(0, set(refused))).toEqual(['gpu failed: a policy']);
});

test('what is known of a set goes with it', () => {
  const look = follow();
  expect(look(0, set())).toEqual(['gpu ready']);
  expect(look(1)).toEqual([]);
  expect(look(2, set())).toEqual(['gpu ready']);
});
