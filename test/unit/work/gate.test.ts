import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { GateRecord } from '../../../agent/core/gate.ts';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';
import type { Logger } from '../../../agent/core/logger.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { NodeEvent } from '../../../agent/core/node-event.ts';
import { Gate } from '../../../agent/work/gate.ts';
import type { GateStore } from '../../../agent/work/gate-store.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';

const minute = 60_000;
const taintKey = 'startup-taint.example/stevedore';
const taints = [
  { key: 'other', value: undefined, effect: 'NoSchedule' },
  { key: taintKey, value: undefined, effect: 'NoSchedule' },
];
const forbidden = new Failure('auth', 'nodes "n1" is forbidden', { detail: 'forbidden' });

let api: FakeApi;
let cluster: FakeCluster;
let recorder: RecordingRecorder;
let events: NodeEvent[];
let errors: string[];
let file: GateRecord | undefined;
let gate: Gate;
let stop: AbortController;
let running: Promise<void>;

const store: GateStore = {
  load: async () => file,
  save: async (record) => {
    file = record;
  },
  remove: async () => {
    file = undefined;
  },
};
const log: Logger = {
  ...silentLogger,
  error: (_, message) => {
    errors.push(message);
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  api = new FakeApi();
  api.setNode('n1', { taints });
  [events, errors, file] = [[], [], undefined];
  start();
});

afterEach(async () => {
  await end();
  vi.useRealTimers();
});

/** A new agent; the watch tells it of the node. */
function start(): void {
  stop = new AbortController();
  cluster = new FakeCluster('n1', { api });
  recorder = new RecordingRecorder();
  gate = new Gate({
    taintKey,
    cluster,
    store,
    recorder,
    announce: (event) => events.push(event),
    onHeld: () => undefined,
    log,
    random: () => 0.5,
  });
  const watching = cluster.watch(
    { onNode: (node) => node !== undefined && gate.setNode(node), onConfigMaps: () => {}, onContact: () => {} },
    stop.signal,
  );
  running = Promise.all([watching, gate.run(stop.signal)]).then(() => undefined);
}

async function end(): Promise<void> {
  stop.abort();
  await running;
}

function set(missing: readonly string[], isGated = true): ImageSetState {
  const why = { why: 'running', failure: undefined, message: undefined };
  return { name: 's', gate: isGated, images: 2, missing: missing.map((reference) => ({ reference, ...why })) };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const isHeld = () => api.node('n1')?.taints.some(({ key }) => key === taintKey);

describe('the gate', () => {
  test('holds the node until its sets are here, and takes no other taint away', async () => {
    await pass(0);
    expect(recorder.isGateHeld).toBe(true);
    gate.setSets([set(['a', 'b'])]);
    await pass(5 * minute);
    expect(isHeld()).toBe(true);
    gate.setSets([set([])]);
    await pass(0);
    expect(api.node('n1')?.taints.map(({ key }) => key)).toEqual(['other']);
    expect(recorder.isGateHeld).toBe(false);
    expect(recorder.gateReleases).toEqual([{ reason: 'ready', heldSeconds: 300 }]);
    expect(events).toEqual([{ kind: 'gate_released', taint: taintKey, heldSeconds: 300 }]);
    await pass(60 * minute);
    expect(cluster.calls).toEqual(['removeTaint']);
  });

  test('lets a node go that no gated set selects', async () => {
    gate.setSets([set(['a'], false)]);
    await pass(0);
    expect(isHeld()).toBe(false);
    expect(recorder.gateReleases).toMatchObject([{ reason: 'no_sets' }]);
  });

  test('does not go by what a look found before the node or the configuration changed', async () => {
    await pass(0);
    gate.setSets([set(['a'])]);
    gate.setSets(undefined);
    api.setNode('n1', { labels: { gpu: 'yes' } });
    await pass(minute);
    expect(isHeld()).toBe(true);
  });

  test('asks for nothing on a node without its taint', async () => {
    api.setNode('n1', { taints: [] });
    gate.setSets([set([])]);
    await pass(60 * minute);
    expect(cluster.calls).toEqual([]);
    expect(recorder.isGateHeld).toBe(false);
  });

  test('says nothing of a taint that somebody else removed in the meantime', async () => {
    await pass(0);
    cluster.fail('removeTaint', new Failure('network', 'reset'));
    gate.setSets([set([])]);
    await pass(100);
    api.setNode('n1', { taints: [] });
    await pass(minute);
    expect(recorder.isGateHeld).toBe(false);
    expect(recorder.gateReleases).toEqual([]);
    expect(events).toEqual([]);
  });

  test('closes again with the taint, and counts anew', async () => {
    gate.setSets([set([])]);
    await pass(minute);
    gate.setSets([set(['a'])]);
    api.setNode('n1', { taints });
    await pass(14 * minute);
    expect(isHeld()).toBe(true);
    await pass(2 * minute);
    expect(isHeld()).toBe(false);
  });
});

describe('the deadline', () => {
  test('lets the node go without the rest, and says what is missing', async () => {
    gate.setSettings({ deadlineMs: 10 * minute });
    gate.setSets([set(['a', 'b'])]);
    await pass(10 * minute - 1_000);
    expect(isHeld()).toBe(true);
    await pass(2_000);
    expect(isHeld()).toBe(false);
    expect(recorder.gateReleases).toMatchObject([{ reason: 'deadline' }]);
    expect(events).toEqual([{ kind: 'gate_deadline_passed', taint: taintKey, missing: ['a', 'b'] }]);
  });

  test('passes also where nothing was ever known: no configuration, no runtime, a cordoned node', async () => {
    api.setNode('n1', { unschedulable: true });
    await pass(15 * minute + 1_000);
    expect(isHeld()).toBe(false);
  });

  test('does not begin anew when the agent does', async () => {
    await pass(10 * minute);
    await end();
    start();
    await pass(5 * minute + 1_000);
    expect(isHeld()).toBe(false);
    expect(recorder.gateReleases).toMatchObject([{ heldSeconds: expect.closeTo(900, -1) }]);
    expect(file).toBeUndefined();
  });

  test('begins anew on another Node of the same name, and after the clock was set back', async () => {
    await pass(10 * minute);
    await end();
    api.setNode('n1', { uid: 'another' });
    start();
    await pass(14 * minute);
    expect(isHeld()).toBe(true);
    await end();
    vi.setSystemTime(Date.now() - 60 * minute);
    start();
    await pass(14 * minute);
    expect(isHeld()).toBe(true);
    await pass(2 * minute);
    expect(isHeld()).toBe(false);
  });

  test('is not moved by a clock that jumps while the agent runs', async () => {
    await pass(minute);
    vi.setSystemTime(Date.now() + 24 * 60 * minute);
    gate.setSets([set(['a'])]);
    await pass(12 * minute);
    expect(isHeld()).toBe(true);
  });

  test('at half of it gated images wait for nobody any more', async () => {
    await pass(5 * minute);
    expect((gate.gatedGoAt ?? 0) - Date.now()).toBeCloseTo(2.5 * minute, -3);
    gate.setSets([set([])]);
    await pass(0);
    expect(gate.gatedGoAt).toBeUndefined();
  });
});

describe('a taint that cannot be removed', () => {
  test('is tried again until it is gone', async () => {
    cluster.fail('removeTaint', new Failure('network', 'reset'), 4);
    gate.setSets([set([])]);
    await pass(2 * minute);
    expect(isHeld()).toBe(false);
    expect(errors).toHaveLength(1);
  });

  test('for lack of the right is said once, and tried at long intervals', async () => {
    cluster.fail('removeTaint', forbidden, 4);
    gate.setSets([set([])]);
    await pass(5 * minute);
    expect(errors).toEqual([expect.stringMatching(/right to patch nodes is missing.*gate's component/)]);
    for (let i = 0; i < 10; i += 1) api.setNode('n1', { labels: { change: String(i) } });
    await pass(0);
    expect(cluster.calls).toHaveLength(1);
    await pass(60 * minute);
    expect(errors).toHaveLength(1);
    expect(isHeld()).toBe(false);
  });
});
