import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Leftover } from '../../../agent/core/leftovers.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { RuntimeContainer, RuntimeImage } from '../../../agent/core/node-images.ts';
import { UsageTracker } from '../../../agent/work/usage-tracker.ts';
import { FakeLedger } from '../../fakes/fake-node.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';

const minute = 60_000;
const hour = 60 * minute;
const start = Date.parse('2026-03-02T12:00:00Z');

let ledger: FakeLedger;
let recorder: RecordingRecorder;

beforeEach(() => {
  vi.useFakeTimers({ now: start });
  ledger = new FakeLedger();
  recorder = new RecordingRecorder();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The agent starts: reads the ledger, and the runtime answers. */
async function begin(store: FakeLedger | undefined = ledger): Promise<UsageTracker> {
  const tracker = new UsageTracker({ recorder, log: silentLogger });
  await tracker.load(store);
  tracker.startWatching();
  return tracker;
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** Without the process noticing, and on its monotonic clock no time passes. */
const jump = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** The loop looks every five minutes. */
async function watch(tracker: UsageTracker, ms: number, images: readonly RuntimeImage[] = [image('a')]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5 * minute) {
    await pass(Math.min(5 * minute, ms - passed));
    tracker.observe(images, []);
  }
}

function image(id: string, tags: readonly string[] = [`reg.example/${id}:1`]): RuntimeImage {
  return { id, tags, digests: [], sizeBytes: 1, pinnedNames: [], pinnedByOthers: false, whole: true };
}

function container(id: string, more: Partial<RuntimeContainer> = {}): RuntimeContainer {
  const times = { createdAt: undefined, startedAt: undefined, finishedAt: undefined };
  return { id, state: 'exited', imageIds: ['a'], imageName: undefined, ...times, ...more };
}

const event = (action: 'create' | 'start' | 'exit' | 'delete', containerId: string, name?: string) =>
  ({ kind: 'container', action, containerId, image: name }) as const;

const unusedForMs = (tracker: UsageTracker, id = 'a') => tracker.lastUses.get(id)?.unusedForMs;

describe('over restarts', () => {
  test('ages go on, and the time between does not count', async () => {
    const before = await begin();
    before.observe([image('a')], []);
    await watch(before, 5 * hour);
    await before.flush();
    await pass(1_000 * hour);
    const after = await begin();
    await watch(after, 2 * hour);
    expect(after.lastUses.get('a')).toMatchObject({ unusedForMs: 7 * hour, knownForMs: 7 * hour, lastUsedAt: start });
    expect(after.trackedSince).toBe(start);
  });

  test('a use that nobody saw counts from the restart; one that was seen stays where it was', async () => {
    const before = await begin();
    before.observe([image('a'), image('b')], []);
    await watch(before, 5 * hour, [image('a'), image('b')]);
    const old = container('old', { imageIds: ['b'], finishedAt: Date.now() - 4 * hour });
    before.observe([image('a'), image('b')], [old]);
    await before.flush();
    await pass(100 * hour);
    const after = await begin();
    await pass(8 * minute);
    after.observe([image('a'), image('b')], [container('new', { finishedAt: Date.now() - 50 * hour }), old]);
    expect(unusedForMs(after)).toBe(8 * minute);
    // That container was new at the end of the five hours, whatever its time says.
    expect(unusedForMs(after, 'b')).toBe(8 * minute);
  });

  test('a run that never reached the runtime has seen nothing', async () => {
    const first = await begin();
    first.observe([image('a')], []);
    await watch(first, 5 * hour);
    await first.flush();
    await pass(10 * hour);
    const finishedAt = Date.now();
    await pass(10 * hour);
    const second = new UsageTracker({ recorder, log: silentLogger });
    await second.load(ledger);
    await second.flush();
    await pass(10 * hour);
    const third = await begin();
    third.observe([image('a')], [container('c', { finishedAt })]);
    expect(unusedForMs(third)).toBe(0);
  });

  test('an image is known by its id before the first listing', async () => {
    const before = await begin();
    before.observe([image('a')], []);
    await watch(before, 5 * hour);
    await before.flush();
    const after = await begin();
    after.hear(event('start', 'c', 'a'));
    expect(unusedForMs(after)).toBe(0);
  });
});

describe('when age does not advance', () => {
  test('while the runtime is away, and its return makes what happened meanwhile no older than that', async () => {
    const tracker = await begin();
    tracker.observe([image('a')], []);
    await watch(tracker, hour);
    tracker.stopWatching();
    await pass(20 * hour);
    expect(unusedForMs(tracker)).toBe(hour);
    tracker.startWatching();
    await pass(minute);
    tracker.observe([image('a')], [container('c', { finishedAt: Date.now() - 5 * hour })]);
    expect(unusedForMs(tracker)).toBe(minute);
  });

  test.each([9_000 * hour, -9_000 * hour])('when the clock jumps by %d ms', async (ms) => {
    const tracker = await begin();
    tracker.observe([image('a')], []);
    await watch(tracker, 3 * hour);
    jump(ms);
    await watch(tracker, hour);
    expect(unusedForMs(tracker)).toBe(4 * hour);
  });

  test.each([9_000 * hour, -9_000 * hour])(
    'and a use just before or after a jump of %d ms is a late one',
    async (ms) => {
      const tracker = await begin();
      tracker.observe([image('a'), image('b')], []);
      await watch(tracker, 3 * hour, [image('a'), image('b')]);
      await pass(minute);
      const before = container('before', { finishedAt: Date.now() });
      jump(ms);
      await pass(minute);
      const after = container('after', { imageIds: ['b'], finishedAt: Date.now() });
      await pass(minute);
      tracker.observe([image('a'), image('b')], [before, after]);
      expect(unusedForMs(tracker)).toBeLessThanOrEqual(3 * minute);
      expect(unusedForMs(tracker, 'b')).toBe(minute);
    },
  );

  test('while the process was stopped: what it did not see does not count', async () => {
    const tracker = await begin();
    tracker.observe([image('a')], []);
    await watch(tracker, hour);
    await pass(30 * hour);
    expect(unusedForMs(tracker)).toBe(hour + 10 * minute);
  });
});

describe('what is a use', () => {
  test('a container that runs uses its image now, and one that stopped did until then', async () => {
    const tracker = await begin();
    const running = container('c', { state: 'running', startedAt: Date.now() });
    tracker.observe([image('a')], [running]);
    await pass(hour);
    tracker.observe([image('a')], [running]);
    expect(tracker.lastUses.get('a')).toMatchObject({ unusedForMs: 0, source: 'in_use' });
    await pass(5 * minute);
    const stopped = { ...running, state: 'exited', finishedAt: Date.now() - 2 * minute } as const;
    tracker.observe([image('a')], [stopped]);
    expect(tracker.lastUses.get('a')).toMatchObject({ unusedForMs: 2 * minute, source: 'container_exit' });
    await pass(8 * minute);
    tracker.observe([image('a')], [stopped]);
    expect(unusedForMs(tracker)).toBe(10 * minute);
  });

  test('a container that came and went is one, also where no listing had its image yet', async () => {
    const tracker = await begin();
    tracker.hear(event('start', 'c', 'reg.example/a:1'));
    tracker.hear(event('delete', 'c'));
    await pass(minute);
    tracker.observe([image('a')], []);
    expect(tracker.lastUses.get('a')).toMatchObject({ unusedForMs: 0, source: 'container_start' });
  });

  test('an exit that names no image is understood, also after a listing that is older than its container', async () => {
    const tracker = await begin();
    tracker.observe([image('a')], []);
    tracker.hear(event('start', 'c', 'reg.example/a:1'));
    tracker.observe([image('a')], []);
    await pass(3 * minute);
    tracker.hear(event('exit', 'c'));
    expect(tracker.lastUses.get('a')).toMatchObject({ unusedForMs: 0, source: 'container_exit' });
  });

  test('deleting a container that had stopped is none', async () => {
    const tracker = await begin();
    tracker.observe([image('a')], [container('c', { finishedAt: start })]);
    await pass(8 * minute);
    tracker.hear(event('delete', 'c'));
    expect(unusedForMs(tracker)).toBe(8 * minute);
  });

  test('a further name leaves an image its age', async () => {
    const tracker = await begin();
    tracker.observe([image('a')], []);
    await pass(5 * minute);
    tracker.observe([image('a', ['reg.example/other:2', 'reg.example/a:1'])], []);
    await pass(5 * minute);
    tracker.observe([image('a', ['reg.example/other:2'])], []);
    expect(unusedForMs(tracker)).toBe(10 * minute);
    tracker.hear(event('start', 'c', 'reg.example/other:2'));
    expect(unusedForMs(tracker)).toBe(0);
  });
});

describe('prefetched images', () => {
  test('are unused until their first container, which is counted once', async () => {
    const tracker = await begin();
    tracker.pulled('a');
    tracker.observe([image('a')], []);
    expect([recorder.unused, recorder.used]).toEqual([1, 0]);
    tracker.hear(event('start', 'c', 'a'));
    tracker.hear(event('exit', 'c', 'a'));
    tracker.observe([image('a')], [container('c', { finishedAt: Date.now() })]);
    expect([recorder.unused, recorder.used]).toEqual([0, 1]);
    // Pulled once more, under a second name.
    tracker.pulled('a');
    tracker.observe([image('a')], [container('d', { state: 'running' })]);
    expect([recorder.unused, recorder.used]).toEqual([0, 1]);
  });

  test('are known although a listing that was being made when they came does not have them', async () => {
    const tracker = await begin();
    tracker.pulled('a');
    tracker.observe([], []);
    await pass(minute);
    tracker.observe([image('a')], []);
    expect(tracker.lastUses.get('a')).toMatchObject({ source: 'pulled', unusedForMs: minute });
    tracker.observe([], []);
    expect(tracker.lastUses.size).toBe(0);
  });
});

describe('keeping it', () => {
  test('saves at most once a minute, when there is something to save, and at the end', async () => {
    const tracker = await begin();
    let saves = 0;
    vi.spyOn(ledger, 'save').mockImplementation(async () => {
      saves += 1;
    });
    await pass(minute);
    for (let second = 0; second < 300; second += 10) {
      tracker.observe([image('a')], []);
      await tracker.saveIfDue();
      await pass(10_000);
    }
    expect(saves).toBe(5);
    await tracker.flush();
    await tracker.saveIfDue();
    expect(saves).toBe(6);
  });

  test('without a folder to keep it in there is a problem; ages are counted all the same', async () => {
    const tracker = new UsageTracker({ recorder, log: silentLogger });
    await tracker.load(undefined);
    tracker.startWatching();
    tracker.observe([image('a')], []);
    await pass(5 * minute);
    await tracker.flush();
    expect(tracker.problem).toBe('the state folder cannot be used');
    expect(unusedForMs(tracker)).toBe(5 * minute);
  });

  test('a save that fails is a problem, counted, and tried again until it works', async () => {
    const tracker = await begin();
    ledger.failure = new Error('no space left on device');
    tracker.observe([image('a')], []);
    await pass(minute);
    await tracker.saveIfDue();
    expect(tracker.problem).toBe('no space left on device');
    expect(recorder.saveFailures).toBe(1);
    ledger.failure = undefined;
    await pass(minute);
    await tracker.saveIfDue();
    expect(tracker.problem).toBeUndefined();
    expect(ledger.saved?.usage.records.has('a')).toBe(true);
  });

  test('a removal that was begun is on record before it begins, and no more after it', async () => {
    const tracker = await begin();
    const removal = { imageId: 'a', names: ['reg.example/a:1'] };
    await tracker.beginRemoval(removal);
    expect(ledger.saved?.removal).toEqual(removal);
    expect((await begin()).cutRemoval).toEqual(removal);
    tracker.endRemoval();
    await tracker.flush();
    expect((await begin()).cutRemoval).toBeUndefined();
  });
});

describe('leftovers', () => {
  const leftover = (more: Partial<Leftover> = {}): Leftover => {
    return { kind: 'snapshot', id: 's', name: 's', bytes: undefined, unusedSince: undefined, ...more };
  };

  test('that tell no time count from when they were first seen, over restarts, in watched time', async () => {
    const before = await begin();
    expect(before.unusedForMs(leftover(), Date.now())).toBe(0);
    await pass(5 * minute);
    await before.flush();
    await pass(10 * hour);
    const after = await begin();
    await pass(5 * minute);
    expect(after.unusedForMs(leftover(), Date.now())).toBe(10 * minute);
    expect(after.unusedForMs(leftover({ unusedSince: Date.now() - hour }), Date.now())).toBe(hour);
  });

  test('that were gone or used in between count anew', async () => {
    const tracker = await begin();
    tracker.unusedForMs(leftover(), Date.now());
    await pass(5 * minute);
    tracker.retainLeftovers([leftover({ kind: 'lease' })]);
    expect(tracker.unusedForMs(leftover(), Date.now())).toBe(0);
  });
});
