import { standaloneNode } from '../../../agent/core/node-state.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseCron } from '../../../agent/config/cron.ts';
import type { PruneSettings } from '../../../agent/core/configuration.ts';
import type { PruneRoundEvent } from '../../../agent/core/prune-round.ts';
import { wholeRequest } from '../../../agent/core/prune-request.ts';
import { lookForPrune, toPruneWorld } from '../../../agent/work/prune-view.ts';
import { FakeNode, type FakeNodeOptions } from '../../fakes/fake-node.ts';
import { sampleConfiguration, samplePrune, sampleSet } from '../../fakes/samples.ts';

const minute = 60_000;
const hour = 60 * minute;
/** Fake time passes in real work: these tests live on hours instead of days. */
const short: Partial<PruneSettings> = {
  schedule: { ...samplePrune().schedule, schedule: hourly() },
  unusedForMs: 7 * hour,
  spaceGraceMs: 2 * hour,
  minimumAgeMs: 10 * minute,
};
const never = new AbortController().signal;
const [a, b, c, d] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1', 'reg.example/d:1'] as const;
const giga = 1_000_000_000;
let node: FakeNode;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-03-02T12:00:00Z') });
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

async function start(options: FakeNodeOptions = {}, prune: Partial<PruneSettings> = {}, desired: string[] = []) {
  node = new FakeNode(options);
  node.reconciler.setNode(standaloneNode('n1', {}));
  configure(prune, desired);
  void node.start();
  await pass();
}

function configure(prune: Partial<PruneSettings> = {}, desired: readonly string[] = []): void {
  node.configure(
    sampleConfiguration(desired.length === 0 ? [] : [sampleSet('s', desired)], {}, { ...short, ...prune }),
  );
}

function hourly() {
  const parsed = parseCron('0 * * * *');
  if (!parsed.ok) throw new Error(parsed.rule);
  return parsed.schedule;
}

/** Lets everything happen that waits for no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) await Promise.resolve();
}

async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function images(): Promise<string[]> {
  return (await node.runtime.listImages(never)).flatMap(({ tags }) => tags).toSorted();
}

const runByHand = async (onEvent: (event: PruneRoundEvent) => void = () => {}) => {
  const run = node.pruner.run(
    { trigger: 'manual', request: wholeRequest, dryRun: false, paced: false, onEvent },
    never,
  );
  await pass(5_000);
  return run;
};

describe('the age tier', () => {
  test('an image that nothing used for prune.unusedFor goes at the next firing; what is used, desired or kept stays', async () => {
    await start({}, { keep: [{ kind: 'glob', glob: 'reg.example/d' }] }, [b]);
    for (const name of [a, b, c, d]) node.runtime.addImage(name, { layers: [1_000] });
    node.runtime.startContainer(c);
    await pass(7 * hour - minute);
    expect(await images()).toEqual([a, b, c, d]);
    await pass(hour + 2 * minute);
    expect(await images()).toEqual([b, c, d]);
    expect(node.recorder.removals).toMatchObject([{ reason: 'age' }]);
    expect(node.recorder.runs.at(-1)).toMatchObject({ trigger: 'interval', outcome: 'success' });
  });

  test('a container that came and went between two looks is a use', async () => {
    await start();
    for (const name of [a, b]) node.runtime.addImage(name, { layers: [1_000] });
    await pass(5 * hour);
    const id = node.runtime.startContainer(a);
    node.runtime.exitContainer(id);
    node.runtime.deleteContainer(id);
    await pass(4 * hour);
    expect(await images()).toEqual([a]);
  });

  test('time in which nobody watched makes no image older', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    await pass(4 * hour);
    const { runtime, ledger } = node;
    await node.stop();
    vi.setSystemTime(Date.now() + 1_500 * hour);
    await start({ runtime, ledger });
    await pass(2 * hour);
    expect(await images()).toEqual([a]);
    await pass(2 * hour);
    expect(await images()).toEqual([]);
  });

  test('neither does a runtime that is away, nor a clock that jumps', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    await pass(hour);
    node.runtime.goAway();
    await pass(20 * hour);
    node.runtime.comeBack();
    await pass(2 * hour);
    vi.setSystemTime(Date.now() + 7_000 * hour);
    await pass(2 * hour);
    expect(await images()).toEqual([a]);
  });

  test('a firing that nobody was there for is made up for at the start', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    await pass(7 * hour + 30 * minute - 31 * minute);
    const { runtime, ledger } = node;
    await node.stop();
    vi.setSystemTime(Date.now() + 2 * hour);
    ledger.saved = ledger.saved && { ...ledger.saved, usage: { ...ledger.saved.usage, watchMs: 8 * hour } };
    await start({ runtime, ledger });
    await pass(minute);
    expect(await images()).toEqual([]);
    expect(node.recorder.runs.at(-1)).toMatchObject({ trigger: 'startup' });
  });

  test('without a ledger that can be kept nothing is pruned by age', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    node.ledger.failure = new Error('read-only file system');
    await pass(12 * hour);
    expect(await images()).toEqual([a]);
    expect(node.recorder.saveFailures).toBeGreaterThan(0);
    node.ledger.failure = undefined;
    await pass(2 * hour);
    expect(await images()).toEqual([]);
  });

  test('dry run plans and removes nothing', async () => {
    await start({}, { dryRun: true });
    node.runtime.addImage(a, { layers: [1_000] });
    await pass(9 * hour);
    expect(await images()).toEqual([a]);
    const planned = node.recorder.plans.filter(({ images: all }) => all[0]?.decision.kind === 'remove');
    expect(planned.length).toBeGreaterThan(0);
  });

  test('switched off nothing happens', async () => {
    await start({}, { enabled: false });
    node.runtime.addImage(a, { layers: [1_000] });
    await pass(9 * hour);
    expect(await images()).toEqual([a]);
    expect(node.recorder.runs).toEqual([]);
  });
});

describe('the space tier', () => {
  /** Four images of 10 % of the disk each, one after the other. */
  async function fill(prune: Partial<PruneSettings> = {}, desired: string[] = []): Promise<void> {
    await start({ like: 'docker' }, prune, desired);
    node.runtime.disk.sizeBytes = 100 * giga;
    for (const name of [a, b, c, d]) {
      node.runtime.addImage(name, { layers: [5 * giga] });
      await pass(10 * minute);
    }
  }

  test('above high the least recently used go until low is reached', async () => {
    await fill();
    await pass(3 * hour);
    node.runtime.disk.otherBytes = 38 * giga;
    await pass(minute);
    expect(await images()).toEqual([c, d]);
    expect(node.recorder.removals).toMatchObject([{ reason: 'space' }, { reason: 'space' }]);
    expect(node.recorder.runs.at(-1)).toMatchObject({ trigger: 'watermark', outcome: 'success', shortfallBytes: 0 });
  });

  test('what was used within the grace stays, and the shortfall is told', async () => {
    await fill();
    node.runtime.disk.otherBytes = 38 * giga;
    await pass(minute);
    expect(await images()).toEqual([a, b, c, d]);
    expect(node.recorder.runs.at(-1)).toMatchObject({ outcome: 'partial' });
    expect(node.recorder.runs.at(-1)?.shortfallBytes).toBeGreaterThan(10 * giga);
  });

  test('above critical the grace does not count, and no more goes than down to high', async () => {
    await fill();
    node.runtime.disk.otherBytes = 43 * giga;
    await pass(minute);
    expect(await images()).toEqual([b, c, d]);
    expect(node.recorder.removals).toMatchObject([{ reason: 'critical' }]);
  });

  test('a run that falls short is not repeated at every look', async () => {
    await fill();
    node.runtime.disk.otherBytes = 38 * giga;
    await pass(hour);
    expect(node.recorder.runs.length).toBeGreaterThan(2);
    expect(node.recorder.runs.length).toBeLessThan(12);
  });

  test('desired images stay, however full the disk is', async () => {
    await fill({}, [a, b]);
    node.runtime.disk.otherBytes = 60 * giga;
    await pass(3 * hour);
    expect(await images()).toEqual([a, b]);
  });

  test('without a view of the filesystem only the age tier runs', async () => {
    await fill();
    node.filesystem = 'unknown';
    await pass(3 * hour);
    node.runtime.disk.otherBytes = 60 * giga;
    await pass(hour);
    expect(await images()).toEqual([a, b, c, d]);
    await pass(5 * hour);
    expect(await images()).toEqual([]);
  });

  test('inodes count too', async () => {
    await fill();
    await pass(3 * hour);
    const { filesFree } = node.runtime.filesystem();
    node.runtime.disk.files = 10_000;
    node.runtime.disk.otherFiles = 7_600 - (1e9 - filesFree);
    await pass(minute);
    expect(node.recorder.removals[0]).toMatchObject({ reason: 'inodes' });
  });
});

describe('while others work', () => {
  test('a container that appears within the removal keeps its image, whole and with all its names', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    node.runtime.tag(a, b);
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    let created = false;
    node.runtime.onRemovalStep(() => {
      if (!created) node.runtime.createContainer(a);
      created = true;
    });
    await runByHand();
    expect(created).toBe(true);
    expect(await images()).toEqual([a, b]);
    expect(node.recorder.removals).toEqual([]);
    expect(node.recorder.removalFailures).toEqual(['in_use']);
  });

  test('an image that becomes desired meanwhile is skipped', async () => {
    await start();
    for (const name of [a, b]) node.runtime.addImage(name, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    const events: PruneRoundEvent[] = [];
    node.runtime.onRemovalStep(() => configure({}, [b]));
    await runByHand((event) => events.push(event));
    expect(await images()).toEqual([b]);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'skipped', names: [b], reason: 'desired' }));
  });

  test('an image that becomes desired while its own removal runs stays, as long as no name is gone', async () => {
    await start();
    node.runtime.addImage(a, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    const events: PruneRoundEvent[] = [];
    node.runtime.onRemovalStep(() => configure({}, [a]));
    await runByHand((event) => events.push(event));
    expect(await images()).toEqual([a]);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'skipped', names: [a], reason: 'desired' }));
    expect(node.recorder.removalFailures).toEqual([]);
  });

  test('an image that was listed while its pull had not given it its name yet counts as being pulled', async () => {
    await start();
    const { id } = node.runtime.addImage(a, { layers: [1_000] });
    const connected = { runtime: node.runtime, info: await node.runtime.info(never) };
    const subject = {
      settings: samplePrune(),
      connected,
      desired: new Set<string>(),
      // The pull has ended 5 ms ago.
      pullingSince: (at: number) => new Set(at <= performance.now() - 5 ? [id] : []),
      ownImage: undefined,
    };
    const view = await lookForPrune(subject, () => Promise.resolve(undefined), undefined, never);
    await pass(10);
    expect(toPruneWorld(view, subject, new Map(), new Set()).protection.pulling).toEqual(new Set([id]));
  });

  test('an image that somebody gives a desired name within a run stays', async () => {
    await start({}, {}, [d]);
    const { id } = node.runtime.addImage(a, { layers: [1_000] });
    node.runtime.addImage(b, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule }, [d]);
    await pass(7 * hour + minute);
    let tagged = false;
    node.runtime.onRemovalStep(({ imageId }) => {
      if (!tagged) node.runtime.tag(imageId === id ? b : a, d);
      tagged = true;
    });
    await runByHand();
    expect(await images()).toHaveLength(2);
    expect(await images()).toContain(d);
  });

  test('what is being pulled is not removed, and what is being removed is not pulled', async () => {
    await start();
    node.runtime.registry.add(a, { layers: [1_000] });
    node.runtime.addImage(a, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    let pulledWithin = 0;
    node.runtime.onRemovalStep(async () => {
      configure({}, [a]);
      await settle();
      pulledWithin += node.runtime.pulling.length;
    });
    await runByHand();
    expect(pulledWithin).toBe(0);
    await pass(5_000);
    expect(await images()).toEqual([a]);
  });

  test('one run at a time, however many are asked for', async () => {
    await start();
    for (const name of [a, b, c]) node.runtime.addImage(name, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    let inside = 0;
    let most = 0;
    node.runtime.onRemovalStep(async () => {
      inside += 1;
      most = Math.max(most, inside);
      await settle();
      inside -= 1;
    });
    await Promise.all([runByHand(), runByHand(), runByHand()]);
    expect(most).toBe(1);
    expect(await images()).toEqual([]);
  });

  test('an abort ends the run between two removals', async () => {
    await start();
    for (const name of [a, b, c]) node.runtime.addImage(name, { layers: [1_000] });
    configure({ schedule: samplePrune().schedule });
    await pass(7 * hour + minute);
    const stop = new AbortController();
    const onEvent = ({ kind }: PruneRoundEvent): void => {
      if (kind === 'removed') stop.abort();
    };
    const order = { trigger: 'manual', request: wholeRequest, dryRun: false, paced: false, onEvent } as const;
    const run = node.pruner.run(order, stop.signal).catch((error: unknown) => error);
    await pass(5_000);
    expect(await run).toMatchObject({ name: 'AbortError' });
    expect(await images()).toHaveLength(2);
  });

  test('a removal that a kill cut off is undone by the next agent', async () => {
    await start();
    const { id } = node.runtime.addImage(a, { layers: [1_000] });
    node.runtime.tag(a, b);
    await pass(hour);
    await node.usage.beginRemoval({ imageId: id, names: [a, b] });
    const { runtime, ledger } = node;
    await node.stop();
    ledger.saved = ledger.saved && { ...ledger.saved, removal: { imageId: id, names: [a, b] } };
    runtime.cutRemoval(id);
    await start({ runtime, ledger });
    expect(await images()).toEqual([a, b]);
  });
});

describe('making room for a pull', () => {
  async function nearlyFull(more: Partial<PruneSettings> = {}): Promise<void> {
    await start({ like: 'docker' }, more);
    node.runtime.disk.sizeBytes = 100 * giga;
    node.runtime.registry.add(d, { layers: [3 * giga] });
    for (const name of [a, b]) {
      node.runtime.addImage(name, { layers: [10 * giga] });
      await pass(10 * minute);
    }
    await pass(3 * hour);
    node.runtime.disk.otherBytes = 30 * giga;
  }

  test('unused images go for it, no more than it needs, and it is pulled', async () => {
    await nearlyFull();
    configure({}, [d]);
    await pass(minute);
    expect(await images()).toEqual([b, d]);
  });

  test('a pull that no pruning makes room for waits for the disk, and nothing goes', async () => {
    await nearlyFull();
    node.runtime.registry.add(c, { layers: [25 * giga] });
    configure({}, [c]);
    await pass(minute);
    expect(await images()).toEqual([a, b]);
    expect(node.recorder.waiting.get('disk')).toBe(1);
  });

  test('nothing desired goes for something desired', async () => {
    await nearlyFull();
    configure({}, [a, b, d]);
    await pass(hour);
    expect(await images()).toEqual([a, b]);
    expect(node.recorder.waiting.get('disk')).toBe(1);
  });

  test('with prune off or in a dry run the pull waits', async () => {
    await nearlyFull({ dryRun: true });
    configure({ dryRun: true }, [d]);
    await pass(hour);
    expect(await images()).toEqual([a, b]);
    configure({ enabled: false }, [d]);
    await pass(hour);
    expect(await images()).toEqual([a, b]);
  });
});

test('switching prune off ends a run that is under way before its next removal', async () => {
  await start();
  for (const name of [a, b, c]) node.runtime.addImage(name, { layers: [1_000] });
  configure({ schedule: samplePrune().schedule });
  await pass(7 * hour + minute);
  node.runtime.onRemovalStep(() => configure({ enabled: false }));
  await runByHand();
  expect(await images()).toHaveLength(2);
});
