import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';
import type { LogFields, Logger } from '../../../agent/core/logger.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { ClusterEvent } from '../../../agent/core/node-event-text.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { Announcer } from '../../../agent/work/announcer.ts';
import { RecordingClusterRecorder } from '../../fakes/recording-cluster-recorder.ts';

const minuteMs = 60_000;

let stop: AbortController;
let told: string[];
let attempts: number;
let failWith: Failure | undefined;
let dropped: LogFields[];
let recorder: RecordingClusterRecorder;
let announcer: Announcer;

beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
  told = [];
  attempts = 0;
  failWith = undefined;
  dropped = [];
  recorder = new RecordingClusterRecorder();
  const log: Logger = {
    ...silentLogger,
    warn: (fields) => {
      if ('reason' in fields) dropped.push(fields);
    },
  };
  const createEvent = async ({ reason, note }: ClusterEvent): Promise<void> => {
    attempts += 1;
    await Promise.resolve();
    if (failWith !== undefined) throw failWith;
    told.push(`${reason}: ${note}`);
  };
  announcer = new Announcer({ cluster: { createEvent }, recorder, log, random: () => 0.5 });
  void announcer.run(stop.signal);
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const ready = (name: string): ImageSetState => ({ name, gate: false, images: 1, missing: [] });
const pending = (name: string): ImageSetState => ({
  name,
  gate: false,
  images: 1,
  missing: [{ reference: 'r/a:1', why: 'running', failure: undefined, message: undefined }],
});

test('a set that becomes ready between two looks is one Event; one that the label called ready is none', async () => {
  announcer.node(standaloneNode('n1', { 'image-set.stevedore.dev/base': 'ready' }));
  announcer.update([ready('base'), pending('gpu')]);
  announcer.update([ready('base'), ready('gpu')]);
  announcer.update([ready('base'), ready('gpu')]);
  await pass(0);
  expect(told).toEqual(['ImageSetReady: image set gpu: 1 image present']);
});

test('a look before the Node is known is no news where the label says the same', async () => {
  announcer.update([ready('base'), ready('gpu')]);
  await pass(minuteMs);
  expect(told).toEqual([]);
  announcer.node(standaloneNode('n1', { 'image-set.stevedore.dev/base': 'ready' }));
  await pass(0);
  expect(told).toEqual(['ImageSetReady: image set gpu: 1 image present']);
});

test('a set that flaps is told once in 10 minutes; what is left out is no loss', async () => {
  announcer.node(standaloneNode('n1', {}));
  for (let minute = 0; minute < 30; minute += 1) {
    announcer.update([pending('gpu')]);
    announcer.update([ready('gpu')]);
    await pass(minuteMs);
  }
  expect(told).toHaveLength(3);
  expect(recorder.eventsDropped).toBe(0);
  expect(dropped).toEqual([]);
});

test('what the API server does not take is tried again for 10 minutes, in order, and then dropped', async () => {
  failWith = new Failure('network', 'connection refused');
  announcer.announce({ kind: 'images_lost', references: ['a'] });
  await pass(9 * minuteMs);
  announcer.announce({ kind: 'gate_released', taint: 'k', heldSeconds: 1 });
  await pass(2 * minuteMs);
  expect(dropped).toMatchObject([{ reason: 'ImagesLost' }]);
  expect(attempts).toBeLessThan(40);
  failWith = undefined;
  await pass(minuteMs);
  expect(told).toEqual(['GateReleased: taint k removed after 1 s']);
  expect(recorder.eventsDropped).toBe(1);
});

test('what it calls invalid is not tried again, and holds nothing up', async () => {
  failWith = new Failure('other', 'note: too long', { detail: 'invalid' });
  announcer.announce({ kind: 'images_lost', references: ['a'] });
  await pass(0);
  failWith = undefined;
  announcer.announce({ kind: 'gate_released', taint: 'k', heldSeconds: 1 });
  await pass(0);
  expect(attempts).toBe(2);
  expect(told).toEqual(['GateReleased: taint k removed after 1 s']);
  expect(recorder.eventsDropped).toBe(1);
});

test('no more than 50 wait: the oldest gives way', async () => {
  failWith = new Failure('timeout', 'no answer');
  for (let minute = 0; minute < 70; minute += 1) {
    // 25 at once and then one a minute is all that is taken at all; a stopped queue is filled faster by a clock that jumps.
    vi.setSystemTime(Date.now() + minuteMs);
    announcer.announce({ kind: 'configuration_refused', source: 's', mistakes: String(minute) });
  }
  expect(recorder.eventsDropped).toBe(20);
  await pass(0);
  expect(told).toEqual([]);
});
