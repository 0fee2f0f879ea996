import { describe, expect, test } from 'vitest';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';
import { applyNodePatch, planNodeClearance, planNodeReport } from '../../../agent/core/node-report.ts';
import { type NodeState, standaloneNode } from '../../../agent/core/node-state.ts';

const t0 = Date.parse('2026-01-05T12:00:00Z');
const minuteMs = 60_000;

const bare = (labels: NodeState['labels'] = {}): NodeState => standaloneNode('n1', labels);
const ready = (name: string, images = 2): ImageSetState => ({ name, gate: false, images, missing: [] });
const pending = (name: string, ...references: readonly string[]): ImageSetState => ({
  name,
  gate: false,
  images: 3,
  missing: references.map((reference) => ({ reference, why: 'queued', failure: undefined, message: undefined })),
});
const failed = (name: string, message = 'no such tag'): ImageSetState => ({
  name,
  gate: false,
  images: 3,
  missing: [
    { reference: 'r/a:1', why: 'queued', failure: undefined, message: undefined },
    { reference: 'r/b:1', why: 'backoff', failure: 'not_found', message },
  ],
});

/** The Node after everything that had to be written was written. */
function told(sets: readonly ImageSetState[], node: NodeState, now: number): NodeState {
  const { patch } = planNodeReport(sets, node, now);
  return patch === undefined ? node : applyNodePatch(node, patch);
}

describe('labels', () => {
  test('one for each selected set, and none for sets that are no longer selected; others stay', () => {
    const node = bare({
      'image-set.stevedore.dev/base': 'pending',
      'image-set.stevedore.dev/gone': 'ready',
      'image-set.stevedore.devious/x': 'ready',
      zone: 'a',
    });
    const { patch, isUrgent } = planNodeReport([ready('base'), pending('gpu', 'r/a:1')], node, t0);
    expect(patch?.labels).toEqual({
      'image-set.stevedore.dev/base': 'ready',
      'image-set.stevedore.dev/gpu': 'pending',
      'image-set.stevedore.dev/gone': null,
    });
    expect(isUrgent).toBe(true);
  });

  test('one that somebody edited is put right, and only that one', () => {
    const sets = [ready('base'), ready('gpu')];
    const node = told(sets, bare(), t0);
    const edited = { ...node, labels: { ...node.labels, 'image-set.stevedore.dev/gpu': 'maybe' } };
    const report = planNodeReport(sets, edited, t0 + 1);
    expect(report.patch?.labels).toEqual({ 'image-set.stevedore.dev/gpu': 'ready' });
    expect(report.isUrgent).toBe(true);
  });
});

describe('condition', () => {
  test.each([
    { sets: [], status: 'True', reason: 'NoImageSets', message: 'no image set selects this node' },
    { sets: [ready('base')], status: 'True', reason: 'ImageSetsReady', message: 'every image of base is present' },
    {
      sets: [ready('base'), pending('gpu', 'r/a:1')],
      status: 'False',
      reason: 'ImageSetsPending',
      message: 'gpu lacks 1 of 3 images',
    },
    {
      sets: [pending('gpu', 'r/c:1'), failed('ml')],
      status: 'False',
      reason: 'ImageSetsFailed',
      message: 'gpu lacks 1 of 3 images, ml lacks 2 of 3 images; r/b:1: not_found: no such tag',
    },
  ])('$reason', ({ sets, ...condition }) => {
    expect(planNodeReport(sets, bare(), t0).patch?.condition).toEqual({
      type: 'ImageSetsReady',
      ...condition,
      lastHeartbeatAt: t0,
      lastTransitionAt: t0,
    });
  });

  test('the message stays within 1,024 bytes, whatever sets and errors are called, and still says the failure', () => {
    const sets = Array.from({ length: 60 }, (_, index) => pending(`a-rather-long-name-${index}`, 'r/a:1'));
    const { patch } = planNodeReport([...sets, failed('ml', '火'.repeat(2_000))], bare(), t0);
    const message = patch?.condition !== undefined && 'message' in patch.condition ? patch.condition.message : '';
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(message).toContain('r/b:1: not_found: 火');
    expect(message).not.toContain('\ufffd');
  });

  test('the time of transition moves with the status alone', () => {
    const first = told([pending('gpu', 'r/a:1', 'r/b:1')], bare(), t0);
    const second = planNodeReport([pending('gpu', 'r/a:1')], first, t0 + minuteMs);
    expect(second).toMatchObject({ isUrgent: false, patch: { labels: {} } });
    expect(second.patch?.condition).toMatchObject({ lastTransitionAt: t0, lastHeartbeatAt: t0 + minuteMs });
    const third = planNodeReport([ready('gpu')], first, t0 + 2 * minuteMs);
    expect(third.patch?.condition).toMatchObject({ status: 'True', lastTransitionAt: t0 + 2 * minuteMs });
  });

  test('nothing is written while nothing changes, and then a heartbeat between 5 and 6 minutes', () => {
    const sets = [ready('base')];
    const node = told(sets, bare(), t0 + 999);
    const { patch, heartbeatDueAt } = planNodeReport(sets, node, t0 + 4.9 * minuteMs);
    expect(patch).toBeUndefined();
    expect(heartbeatDueAt - t0).toBeGreaterThanOrEqual(5 * minuteMs);
    expect(heartbeatDueAt - t0).toBeLessThanOrEqual(6 * minuteMs);
    expect(planNodeReport(sets, node, heartbeatDueAt - 1).patch).toBeUndefined();
    expect(planNodeReport(sets, node, heartbeatDueAt)).toMatchObject({ isUrgent: false, patch: { labels: {} } });
  });

  test('nodes that began together have their heartbeats at different times', () => {
    const due = Array.from({ length: 1_000 }, (_, index) => {
      const node = told([ready('base')], { ...bare(), name: `gpu-worker-${index}` }, t0);
      return Math.floor((planNodeReport([ready('base')], node, t0).heartbeatDueAt - t0) / 1_000);
    });
    const perSecond = Map.groupBy(due, (second) => second);
    expect(perSecond.size).toBeGreaterThan(50);
    expect(Math.max(...[...perSecond.values()].map(({ length }) => length))).toBeLessThan(50);
  });

  test('a heartbeat from the future is written anew, once', () => {
    const ahead = told([ready('base')], bare(), t0 + 3_600_000);
    const node = told([ready('base')], ahead, t0);
    expect(node.conditions[0]?.lastHeartbeatAt).toBe(t0);
    expect(planNodeReport([ready('base')], node, t0 + 1_000).patch).toBeUndefined();
  });
});

describe('clearance', () => {
  test('takes back all that was told, and nothing else', () => {
    const foreign = {
      ...bare({ zone: 'a' }),
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: '',
          lastHeartbeatAt: t0,
          lastTransitionAt: t0,
        },
      ],
    };
    const clearance = planNodeClearance(told([ready('base'), failed('ml')], foreign, t0));
    expect(clearance).toEqual({
      labels: { 'image-set.stevedore.dev/base': null, 'image-set.stevedore.dev/ml': null },
      condition: { type: 'ImageSetsReady', remove: true },
    });
    expect(planNodeClearance(foreign)).toBeUndefined();
  });
});
