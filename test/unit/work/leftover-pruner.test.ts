import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LeftoverRule, RemovableLeftoverKind } from '../../../agent/core/configuration.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { PruneRoundEvent } from '../../../agent/core/prune-round.ts';
import { pruneLeftovers } from '../../../agent/work/leftover-pruner.ts';
import { UsageTracker } from '../../../agent/work/usage-tracker.ts';
import { FakeLedger } from '../../fakes/fake-node.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';
import { samplePrune } from '../../fakes/samples.ts';

const minute = 60_000;
const hour = 60 * minute;
const never = new AbortController().signal;
const start = Date.parse('2026-03-02T12:00:00Z');

let runtime: FakeRuntime;
let recorder: RecordingRecorder;
let usage: UsageTracker;

beforeEach(async () => {
  vi.useFakeTimers({ now: start });
  runtime = new FakeRuntime({ like: 'docker' });
  recorder = new RecordingRecorder();
  usage = new UsageTracker({ recorder, log: silentLogger });
  await usage.load(new FakeLedger());
  usage.startWatching();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Order {
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: PruneRoundEvent) => void;
}

/** @returns what is told, as `outcome kind name` */
async function prune(
  rules: Partial<Record<RemovableLeftoverKind, LeftoverRule>>,
  { dryRun = false, signal = never, onEvent }: Order = {},
): Promise<string[]> {
  const told: string[] = [];
  const settings = samplePrune({ leftovers: { ...samplePrune().leftovers, ...rules } });
  const tell = (event: PruneRoundEvent): void => {
    if (event.kind === 'leftover') told.push(`${event.outcome} ${event.leftover} ${event.name}`);
    onEvent?.(event);
  };
  await pruneLeftovers(
    { settings, runtime, dryRun, isOff: () => false, onEvent: tell, usage, recorder, log: silentLogger },
    signal,
  );
  return told;
}

const after = (unusedForMs: number): LeftoverRule => ({ enabled: true, unusedForMs });

async function left(): Promise<string[]> {
  const kinds = new Set(['stopped_container', 'network', 'volume', 'build_cache'] as const);
  return (await runtime.listLeftovers(kinds, never)).map(({ id }) => id).toSorted();
}

describe('what is removed', () => {
  test('is only what is older than its kind’s age, of kinds that are switched on', async () => {
    runtime.addLeftover({ kind: 'stopped_container', id: 'old', unusedSince: start - 3 * hour, bytes: 70 });
    runtime.addLeftover({ kind: 'stopped_container', id: 'young', unusedSince: start - hour, bytes: 5 });
    runtime.addLeftover({ kind: 'network', id: 'net', unusedSince: start - 900 * hour });
    expect(await prune({ stopped_container: after(2 * hour) })).toEqual(['removed stopped_container old']);
    expect(await left()).toEqual(['net', 'young']);
    expect(recorder.leftoverRemovals).toEqual([{ kind: 'stopped_container', bytes: 70 }]);
    expect(recorder.found.get('stopped_container')).toEqual({ count: 1, bytes: 5 });
    expect(recorder.found.get('network')).toEqual({ count: 1, bytes: 0 });
    expect(recorder.found.get('volume')).toEqual({ count: 0, bytes: 0 });
  });

  test('by default is nothing, and everything is counted', async () => {
    runtime.addLeftover({ kind: 'volume', id: 'v', unusedSince: 0, bytes: 9 });
    expect(await prune({})).toEqual([]);
    expect(recorder.found.get('volume')).toEqual({ count: 1, bytes: 9 });
  });

  test('where a kind tells no time, counts from when it was first seen, also by a run that might not remove it', async () => {
    runtime.addLeftover({ kind: 'network', id: 'n' });
    expect(await prune({})).toEqual([]);
    await vi.advanceTimersByTimeAsync(5 * minute);
    expect(await prune({ network: after(6 * minute) })).toEqual([]);
    await vi.advanceTimersByTimeAsync(minute);
    expect(await prune({ network: after(6 * minute) })).toEqual(['removed network n']);
  });

  test('counts anew when it was gone or used in between', async () => {
    runtime.addLeftover({ kind: 'network', id: 'n' });
    await prune({});
    await vi.advanceTimersByTimeAsync(5 * minute);
    runtime.useLeftover('network', 'n');
    await prune({});
    runtime.addLeftover({ kind: 'network', id: 'n' });
    expect(await prune({ network: after(5 * minute) })).toEqual([]);
  });

  test('on containerd is never another namespace, whatever is switched on', async () => {
    runtime = new FakeRuntime();
    runtime.addLeftover({ kind: 'namespace', id: 'moby', bytes: 5, unusedSince: 0 });
    runtime.addLeftover({ kind: 'ingest', id: 'i', bytes: 7, unusedSince: 0 });
    expect(await prune({ ingest: after(0), snapshot: after(0), lease: after(0) })).toEqual(['removed ingest i']);
    expect(recorder.found.get('namespace')).toEqual({ count: 1, bytes: 5 });
  });

  test('in a dry run is nothing, and what would be is told', async () => {
    runtime.addLeftover({ kind: 'network', id: 'n', unusedSince: 0 });
    expect(await prune({ network: after(hour) }, { dryRun: true })).toEqual(['would_remove network n']);
    expect(await left()).toEqual(['n']);
    expect(recorder.found.get('network')?.count).toBe(1);
  });
});

test('build cache is asked for only where it is to be removed: the daemon walks the disk for it', async () => {
  const asked = vi.spyOn(runtime, 'listLeftovers');
  await prune({});
  await prune({ build_cache: after(hour) });
  expect(asked.mock.calls.map(([kinds]) => kinds.has('build_cache'))).toEqual([false, true]);
});

describe('when something happens meanwhile', () => {
  beforeEach(() => {
    for (const id of ['n1', 'n2', 'n3']) runtime.addLeftover({ kind: 'network', id, unusedSince: 0 });
  });

  test('one that fails does not stop the others, and stays counted', async () => {
    runtime.failNext('removeLeftover', new Failure('runtime', 'has active endpoints'), 'n2');
    expect(await prune({ network: after(hour) })).toEqual([
      'removed network n1',
      'failed network n2',
      'removed network n3',
    ]);
    expect(recorder.found.get('network')?.count).toBe(1);
  });

  test('one that is used again since the look is kept, and is no leftover any more', async () => {
    const onEvent = (event: PruneRoundEvent): void => {
      if (event.kind === 'leftover' && event.name === 'n1') runtime.useLeftover('network', 'n2');
    };
    const told = await prune({ network: after(hour) }, { onEvent });
    expect(told).toEqual(['removed network n1', 'skipped network n2', 'removed network n3']);
    expect(recorder.leftoverRemovals).toHaveLength(2);
    expect(recorder.found.get('network')?.count).toBe(0);
  });

  test('an abort ends it between two', async () => {
    const stop = new AbortController();
    const pruned = prune({ network: after(hour) }, { signal: stop.signal, onEvent: () => stop.abort('enough') });
    await expect(pruned).rejects.toBe('enough');
    expect(await left()).toEqual(['n2', 'n3']);
  });
});
