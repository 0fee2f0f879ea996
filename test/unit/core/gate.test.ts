import { describe, expect, test } from 'vitest';
import { decideGate, type GateWorld, parseGateRecord, toGateText } from '../../../agent/core/gate.ts';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';

const taintKey = 'startup-taint.example/stevedore';
const minute = 60_000;

function set(name: string, gate: boolean, missing: readonly string[] = []): ImageSetState {
  return {
    name,
    gate,
    images: 2,
    missing: missing.map((reference) => ({ reference, why: 'queued', failure: undefined, message: undefined })),
  };
}

function decide(more: Partial<GateWorld>) {
  const taints = [{ key: taintKey, value: undefined, effect: 'NoSchedule' }];
  return decideGate({ taints, taintKey, sets: undefined, deadlineMs: 15 * minute, heldSince: 0, now: 0, ...more });
}

describe('the gate', () => {
  test('has nothing to say about a node without its taint', () => {
    expect(decide({ taints: [] }).kind).toBe('absent');
    expect(decide({ taints: [{ key: 'other', value: undefined, effect: 'NoSchedule' }] }).kind).toBe('absent');
  });

  test('holds while nothing is known yet, and while an image of a gated set is missing', () => {
    expect(decide({})).toEqual({ kind: 'hold', until: 15 * minute });
    expect(decide({ sets: [set('a', true), set('b', true, ['x'])] })).toEqual({ kind: 'hold', until: 15 * minute });
  });

  test('opens when every gated set is here, whatever the others miss', () => {
    const sets = [set('a', true), set('b', false, ['x'])];
    expect(decide({ sets })).toEqual({ kind: 'release', reason: 'ready', missing: [] });
  });

  test('opens when no gated set selects the node', () => {
    expect(decide({ sets: [set('b', false, ['x'])] })).toMatchObject({ kind: 'release', reason: 'no_sets' });
    expect(decide({ sets: [] })).toMatchObject({ kind: 'release', reason: 'no_sets' });
  });

  test('opens at the deadline without the rest, and says what is missing; also where nothing is known', () => {
    const sets = [set('a', true, ['x', 'y']), set('b', true, ['y']), set('c', false, ['z'])];
    const now = 15 * minute;
    expect(decide({ sets, now })).toEqual({ kind: 'release', reason: 'deadline', missing: ['x', 'y'] });
    expect(decide({ sets, now: now - 1 }).kind).toBe('hold');
    expect(decide({ now })).toEqual({ kind: 'release', reason: 'deadline', missing: [] });
    // Complete at the last moment is complete.
    expect(decide({ sets: [set('a', true)], now })).toMatchObject({ reason: 'ready' });
  });
});

describe('what is kept of it', () => {
  test('is read as it was written', () => {
    const record = { uid: 'u1', taintKey, heldSince: 1_700_000_000_000 };
    expect(parseGateRecord(toGateText(record))).toEqual(record);
  });

  test.each(['', '{', '[]', 'null', '{"version":2,"uid":"u","taintKey":"k","heldSince":1}', '{"version":1,"uid":"u"}'])(
    'anything else counts as nothing: %j',
    (text) => expect(parseGateRecord(text)).toBeUndefined(),
  );
});
