import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';
import type { LogFields, Logger } from '../../../agent/core/logger.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { applyNodePatch, type NodeStatusPatch } from '../../../agent/core/node-report.ts';
import { type NodeState, standaloneNode } from '../../../agent/core/node-state.ts';
import { NodeReporter } from '../../../agent/work/node-reporter.ts';

const minuteMs = 60_000;
const label = 'image-set.stevedore.dev/gpu';

let stop: AbortController;
let node: NodeState;
let writes: { readonly at: number; readonly patch: NodeStatusPatch }[];
let failWith: Failure | undefined;
/** Whether the watch shows what was written. */
let isWatched: boolean;
/** What happens to the Node after a write is stored and before its answer is heard. */
let beforeAnswer: (() => void) | undefined;
let warnings: LogFields[];
let reporter: NodeReporter;
let startedAt: number;

beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
  node = { ...standaloneNode('n1', { zone: 'a' }), uid: 'first' };
  writes = [];
  failWith = undefined;
  isWatched = true;
  beforeAnswer = undefined;
  warnings = [];
  startedAt = Date.now();
  const log: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
  const patchNodeStatus = async (patch: NodeStatusPatch): Promise<void> => {
    writes.push({ at: Date.now() - startedAt, patch });
    await Promise.resolve();
    if (failWith !== undefined) throw failWith;
    node = applyNodePatch(node, patch);
    if (isWatched) reporter.node(node);
    beforeAnswer?.();
  };
  reporter = new NodeReporter({ cluster: { patchNodeStatus }, log, random: () => 0.5 });
  void reporter.run(stop.signal);
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

const set = (...missing: readonly string[]): ImageSetState => ({
  name: 'gpu',
  gate: false,
  images: 9,
  missing: missing.map((reference) => ({ reference, why: 'queued', failure: undefined, message: undefined })),
});
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const writtenAt = (): readonly number[] => writes.map(({ at }) => at);

test('nothing is written before the first look and before the Node is known', async () => {
  reporter.node(node);
  await pass(20 * minuteMs);
  reporter.node(undefined);
  reporter.update([set('a')]);
  await pass(20 * minuteMs);
  expect(writes).toEqual([]);
});

test('the first report goes at once, the next not within a second, and both are what is then true', async () => {
  reporter.node(node);
  reporter.update([set('a', 'b')]);
  await pass(0);
  expect(node.labels).toEqual({ zone: 'a', [label]: 'pending' });
  reporter.update([set('a')]);
  await pass(300);
  reporter.update([set()]);
  await pass(600);
  expect(writtenAt()).toEqual([0]);
  await pass(100);
  expect(writtenAt()).toEqual([0, 1_000]);
  expect(node.labels).toEqual({ zone: 'a', [label]: 'ready' });
});

/** A look every 5 minutes, as where the runtime tells of changes. */
async function passLooking(minutes: number, sets: readonly ImageSetState[]): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 5) {
    reporter.update(sets);
    await pass(5 * minuteMs);
  }
}

test('while nothing changes there is a heartbeat every 5 to 6 minutes and nothing else', async () => {
  reporter.node(node);
  await passLooking(60, [set()]);
  expect(writes.length).toBeGreaterThanOrEqual(11);
  expect(writes.length).toBeLessThanOrEqual(13);
  expect(new Set(writes.slice(1).map(({ patch }) => JSON.stringify(patch.labels)))).toEqual(new Set(['{}']));
});

test('what no look confirms any more is not told on: the heartbeat stops, and goes on with the next look', async () => {
  reporter.node(node);
  reporter.update([set()]);
  await pass(60 * minuteMs);
  expect(writes.length).toBeLessThanOrEqual(3);
  expect(writtenAt().at(-1)).toBeLessThanOrEqual(11 * minuteMs);
  reporter.update([set()]);
  await pass(0);
  expect(writtenAt().at(-1)).toBe(60 * minuteMs);
});

test('what a watch that broke no longer shows is not written again and again', async () => {
  isWatched = false;
  reporter.node(node);
  reporter.update([set()]);
  await pass(4 * minuteMs);
  expect(writtenAt()).toEqual([0]);
});

test("a label that somebody edits or removes is put right, others' labels are left alone", async () => {
  reporter.node(node);
  reporter.update([set()]);
  await pass(2_000);
  node = { ...node, labels: { zone: 'b', [label]: 'pending', 'image-set.stevedore.dev/old': 'ready' } };
  reporter.node(node);
  await pass(0);
  expect(writtenAt()).toEqual([0, 2_000]);
  expect(node.labels).toEqual({ zone: 'b', [label]: 'ready' });
});

test('a label that somebody removes before the answer to its writing is heard is put right too', async () => {
  beforeAnswer = () => {
    beforeAnswer = undefined;
    node = { ...node, labels: { zone: 'a' } };
    reporter.node(node);
  };
  reporter.node(node);
  reporter.update([set()]);
  await pass(2_000);
  expect(node.labels).toEqual({ zone: 'a', [label]: 'ready' });
});

test('a Node that was deleted and made again is told everything, at once and also amid a long backoff', async () => {
  reporter.node(node);
  reporter.update([set()]);
  await pass(10);
  failWith = new Failure('not_found', 'nodes "n1" not found');
  reporter.update([]);
  await pass(minuteMs);
  reporter.node(undefined);
  await pass(minuteMs);
  const before = writes.length;
  failWith = undefined;
  node = { ...standaloneNode('n1', {}), uid: 'second' };
  reporter.update([set()]);
  reporter.node(node);
  await pass(0);
  expect(writes.length).toBe(before + 1);
  expect(node.labels).toEqual({ [label]: 'ready' });
  expect(node.conditions).toMatchObject([{ type: 'ImageSetsReady', status: 'True' }]);
});

test('words that change all the time cost five writes at once and then two a minute', async () => {
  reporter.node(node);
  for (let second = 0; second < 600; second += 1) {
    reporter.update([set(`image-${second}`, ...Array.from({ length: second % 7 }, (_, index) => `x${index}`))]);
    await pass(1_000);
  }
  expect(writes.length).toBeGreaterThan(15);
  expect(writes.length).toBeLessThanOrEqual(28);
  reporter.update([set()]);
  await pass(1_000);
  expect(node.labels).toMatchObject({ [label]: 'ready' });
});

test('a failure is tried again, later and later up to a minute, and said once', async () => {
  failWith = new Failure('network', 'connection refused');
  reporter.node(node);
  reporter.update([set()]);
  await pass(10 * minuteMs);
  expect(writes.length).toBeGreaterThan(15);
  expect(writes.length).toBeLessThan(35);
  expect(warnings).toEqual([{ code: 'network', detail: undefined, error: 'connection refused' }]);
  failWith = undefined;
  await pass(minuteMs);
  expect(node.labels).toMatchObject({ [label]: 'ready' });
});

test('a refusal is tried again every 5 minutes or later, and said once for each message', async () => {
  failWith = new Failure('auth', 'no rights', { detail: 'forbidden' });
  reporter.node(node);
  reporter.update([set()]);
  await pass(4.9 * minuteMs);
  reporter.update([set('a')]);
  await pass(0);
  expect(writtenAt()).toEqual([0]);
  failWith = new Failure('auth', 'denied by a policy', { detail: 'forbidden' });
  await passLooking(30, [set('a')]);
  expect(writes.length).toBeGreaterThan(4);
  expect(writes.length).toBeLessThan(8);
  expect(warnings.map(({ error }) => error)).toEqual(['no rights', 'denied by a policy']);
});
