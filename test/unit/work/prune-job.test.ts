import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PruneSettings } from '../../../agent/core/configuration.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { ImageFilesystem } from '../../../agent/core/node-images.ts';
import { PruneJob, type PruneJobParts } from '../../../agent/work/prune-job.ts';
import type { PruneResult, PruneRun } from '../../../agent/work/pruner.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { samplePrune } from '../../fakes/samples.ts';

const minute = 60_000;
const hour = 60 * minute;
const noon = Date.parse('2026-03-02T12:00:00Z');
const met: PruneResult = { outcome: 'success', targetBytes: 10, shortfallBytes: 0, shortfallInodes: 0 };
const short: PruneResult = { outcome: 'partial', targetBytes: 10, shortfallBytes: 5, shortfallInodes: 0 };

let job: PruneJob;
let stop: AbortController;
/** What each run was for, and when, in minutes since the start. */
let runs: { readonly at: number; readonly trigger: string; readonly age: boolean; readonly needBytes: number }[];
let settings: PruneSettings;
let filesystem: ImageFilesystem | undefined;
let usage: { problem: string | undefined; ageRunAt: number | undefined; readonly trackedSince: number };
/** What a run does; takes no time unless it is told to. */
let answer: () => PruneResult | Promise<PruneResult>;
let running: number;
let mostRunning: number;
let onDone: () => void;

beforeEach(async () => {
  vi.useFakeTimers({ now: noon });
  [runs, settings, running, mostRunning] = [[], samplePrune(), 0, 0];
  usage = { problem: undefined, ageRunAt: undefined, trackedSince: noon };
  answer = () => met;
  onDone = () => undefined;
  level(0.5);
  stop = new AbortController();
  const runtime = new FakeRuntime();
  const connected = { runtime, info: await runtime.info(stop.signal) };
  const nothing = new Set<string>();
  const pruner: PruneJobParts['pruner'] = {
    run: ({ trigger, request }: PruneRun) => runOnce(trigger, request.age, request.needBytes),
    plan: async () => undefined,
    get isRunning() {
      return running > 0;
    },
  };
  job = new PruneJob({
    pruner,
    usage: Object.assign(usage, {
      saveIfDue: async () => undefined,
      ageRan: async (at: number) => {
        usage.ageRunAt = at;
      },
    }),
    nodeName: 'node-1',
    subject: () => ({ settings, connected, desired: nothing, pullingSince: () => nothing, ownImage: undefined }),
    readFilesystem: async () => filesystem,
    onDone: () => onDone(),
    log: silentLogger,
  });
  void job.run(stop.signal);
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

async function runOnce(trigger: string, age = false, needBytes = 0): Promise<PruneResult> {
  runs.push({ at: Math.round(performance.now() / minute), trigger, age, needBytes });
  running += 1;
  mostRunning = Math.max(mostRunning, running);
  try {
    return await answer();
  } finally {
    running -= 1;
  }
}

function level(used: number, files = 1_000_000): void {
  filesystem = {
    mountpoint: '/',
    sizeBytes: 1_000,
    availBytes: Math.round(1_000 * (1 - used)),
    files,
    filesFree: files,
  };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const triggers = () => runs.map(({ trigger }) => trigger);

/** Minutes between one run and the next. */
const gaps = () => runs.slice(1).map(({ at }, index) => at - (runs[index]?.at ?? 0));

describe('pruning by age', () => {
  test('runs once for each firing', async () => {
    await pass(14 * hour - minute);
    expect(runs).toEqual([]);
    await pass(2 * minute);
    expect(runs).toMatchObject([{ trigger: 'interval', age: true }]);
    await pass(24 * hour);
    expect(runs).toHaveLength(2);
  });

  test('does not run while last use is not kept, and makes up for it', async () => {
    usage.problem = 'read-only file system';
    await pass(20 * hour);
    expect(runs).toEqual([]);
    usage.problem = undefined;
    await pass(minute);
    expect(runs).toHaveLength(1);
  });

  test('that breaks is tried again, but not at every beat', async () => {
    answer = () => {
      throw new Failure('runtime', 'it hung up');
    };
    await pass(15 * hour);
    expect(runs.length).toBeGreaterThan(2);
    expect(Math.min(...gaps())).toBeGreaterThanOrEqual(10);
    answer = () => met;
    await pass(11 * minute);
    const tried = runs.length;
    await pass(hour);
    expect(runs).toHaveLength(tried);
  });

  test('is not put off by a disk that pruning cannot bring down', async () => {
    level(0.8);
    answer = () => short;
    await pass(14 * hour + minute);
    expect(runs.some(({ age }) => age)).toBe(true);
  });
});

describe('a full disk', () => {
  test('sets a run off within the beat, and none when it is not full', async () => {
    await pass(hour);
    expect(runs).toEqual([]);
    level(0.76);
    answer = () => {
      level(0.64);
      return met;
    };
    await pass(30_000);
    expect(triggers()).toEqual(['watermark']);
    await pass(hour);
    expect(runs).toHaveLength(1);
  });

  test('that pruning cannot bring down is tried again after a minute, then twice as long, and at last every ten', async () => {
    level(0.78);
    answer = () => short;
    await pass(45 * minute);
    expect(gaps()).toEqual([1, 2, 4, 8, 10, 10]);
  });

  test('of inodes backs off too, though no byte is missing', async () => {
    filesystem = filesystem && { ...filesystem, filesFree: 10 };
    answer = () => ({ outcome: 'partial', targetBytes: 0, shortfallBytes: 0, shortfallInodes: 5 });
    await pass(45 * minute);
    expect(runs.length).toBeLessThan(12);
  });

  test('in a dry run is planned for again, backing off', async () => {
    settings = samplePrune({ dryRun: true });
    level(0.78);
    await pass(45 * minute);
    expect(gaps()).toEqual([1, 2, 4, 8, 10, 10]);
  });

  test('begins with a short wait again once the disk has been below', async () => {
    level(0.78);
    answer = () => short;
    await pass(20 * minute);
    level(0.5);
    await pass(20 * minute);
    runs = [];
    level(0.78);
    await pass(4 * minute);
    expect(gaps()).toEqual([1, 2]);
  });

  test('that becomes critical does not wait for the next try of a run for space', async () => {
    level(0.78);
    answer = () => short;
    await pass(20 * minute);
    runs = [];
    level(0.9);
    await pass(30_000);
    expect(triggers()).toEqual(['critical']);
    // And a critical one that fell short backs off like any other.
    await pass(8 * minute);
    expect(runs).toHaveLength(1);
  });

  test('is tried again at once with other settings', async () => {
    level(0.78);
    answer = () => short;
    await pass(20 * minute);
    runs = [];
    job.settingsChanged();
    await pass(0);
    expect(triggers()).toEqual(['watermark']);
    await pass(90_000);
    expect(gaps()).toEqual([1]);
  });

  test('is tried again in time although the clock is set back', async () => {
    level(0.78);
    answer = () => short;
    await pass(30_000);
    runs = [];
    vi.setSystemTime(Date.now() - 12 * hour);
    await pass(2 * minute);
    expect(runs).toHaveLength(1);
  });
});

describe('room for a pull', () => {
  test('is made at once, for what was asked', async () => {
    job.makeRoom(70);
    expect(job.isMakingRoom).toBe(true);
    onDone = () => job.makeRoom(0);
    await pass(0);
    expect(runs).toMatchObject([{ trigger: 'watermark', age: false, needBytes: 70 }]);
    expect(job.isMakingRoom).toBe(false);
    await pass(hour);
    expect(runs).toHaveLength(1);
  });

  test('that is asked for at every look is made once at a time, and backs off when it falls short', async () => {
    answer = () => short;
    for (let look = 0; look < 40; look += 1) {
      job.makeRoom(70);
      await pass(minute);
    }
    expect(gaps()).toEqual([1, 2, 4, 8, 10, 10]);
    expect(job.isMakingRoom).toBe(false);
  });

  test('of which more is asked while it is made is made next, and is being made until then', async () => {
    let end: (result: PruneResult) => void = () => undefined;
    answer = () => new Promise((resolve) => (end = resolve));
    job.makeRoom(70);
    await pass(0);
    job.makeRoom(90);
    answer = () => met;
    let wasMaking: boolean | undefined;
    onDone = () => {
      wasMaking ??= job.isMakingRoom;
    };
    end(met);
    await pass(0);
    expect(wasMaking).toBe(true);
    expect(runs.map(({ needBytes }) => needBytes)).toEqual([70, 90]);
    expect(job.isMakingRoom).toBe(false);
  });

  test('waits for a run by hand, and is being made until then', async () => {
    let end: (result: PruneResult) => void = () => undefined;
    answer = () => new Promise((resolve) => (end = resolve));
    const byHand = runOnce('manual');
    job.makeRoom(70);
    await pass(minute);
    answer = () => met;
    end(met);
    await byHand;
    expect(job.isMakingRoom).toBe(true);
    await pass(minute);
    expect(runs.map(({ needBytes }) => needBytes).slice(0, 2)).toEqual([0, 70]);
    expect(mostRunning).toBe(1);
  });

  test('is not made where nobody sees the filesystem, or pruning is off', async () => {
    filesystem = undefined;
    job.makeRoom(70);
    await pass(minute);
    level(0.5);
    settings = samplePrune({ enabled: false });
    job.makeRoom(90);
    await pass(minute);
    expect(runs).toEqual([]);
    expect(job.isMakingRoom).toBe(false);
  });
});

test('however many things ask for a run, there is one at a time', async () => {
  answer = async () => {
    await new Promise((resolve) => {
      setTimeout(resolve, 3 * minute);
    });
    return met;
  };
  level(0.9);
  for (let n = 1; n < 40; n += 1) {
    job.makeRoom(n);
    job.settingsChanged();
    await pass(minute);
  }
  expect(mostRunning).toBe(1);
  expect(runs.length).toBeGreaterThan(5);
});

test('for whoever only pulls, room is made and nothing else', async () => {
  stop.abort();
  const only = new AbortController();
  level(0.9);
  const done = job.run(only.signal, true);
  await pass(20 * hour);
  expect(runs).toEqual([]);
  job.makeRoom(70);
  await pass(0);
  expect(runs).toMatchObject([{ trigger: 'watermark', age: false, needBytes: 70 }]);
  only.abort();
  await done;
});
