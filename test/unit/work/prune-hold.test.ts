import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PruneSettings } from '../../../agent/core/configuration.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import type { NodeHold } from '../../../agent/core/node-holds.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { wholeRequest } from '../../../agent/core/prune-request.ts';
import { NodeInputs } from '../../../agent/work/node-inputs.ts';
import { Planning } from '../../../agent/work/planning.ts';
import { FakeNode } from '../../fakes/fake-node.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const minute = 60_000;
const hour = 60 * minute;
const never = new AbortController().signal;
const [a, b, c, d] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1', 'reg.example/d:1'] as const;
const giga = 1_000_000_000;
const hold: NodeHold = { reason: 'pause', message: 'the node has the annotation stevedore.dev/pause: prune' };
let node: FakeNode;

/** Four images of 10 % of the disk each, whose grace is over. */
beforeEach(async () => {
  vi.useFakeTimers({ now: Date.parse('2026-03-02T12:00:00Z') });
  node = new FakeNode({ like: 'docker' });
  node.reconciler.setNode(standaloneNode('n1', {}));
  configure();
  void node.start();
  node.runtime.disk.sizeBytes = 100 * giga;
  for (const name of [a, b, c, d]) node.runtime.addImage(name, { layers: [5 * giga] });
  await pass(3 * hour);
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

function configure(more: Partial<PruneSettings> = {}, desired: readonly string[] = []): void {
  const prune = { spaceGraceMs: 2 * hour, minimumAgeMs: 10 * minute, ...more };
  node.configure(sampleConfiguration(desired.length === 0 ? [] : [sampleSet('s', desired)], {}, prune));
}

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const images = async () => (await node.runtime.listImages(never)).flatMap(({ tags }) => tags).toSorted();

/** Above high; two of the images bring it down. */
function fill(): void {
  node.runtime.disk.otherBytes = 38 * giga;
}

describe('while the node holds pruning back', () => {
  test('no run begins, and when it ends the full disk is brought down', async () => {
    node.pruneHold = hold;
    fill();
    await pass(hour);
    expect(node.recorder.runs).toEqual([]);
    expect(await images()).toHaveLength(4);
    node.pruneHold = undefined;
    await pass(minute);
    expect(await images()).toHaveLength(2);
  });

  test('a run that is under way ends before its next removal', async () => {
    node.runtime.onRemovalStep(() => {
      node.pruneHold = hold;
    });
    fill();
    await pass(10 * minute);
    expect(await images()).toHaveLength(3);
  });

  test('plans are made all the same, and no pull is told that room could be made', async () => {
    node.pruneHold = hold;
    fill();
    const plan = await node.pruner.plan(wholeRequest, never);
    expect(plan?.images.filter(({ decision }) => decision.kind === 'remove')).toHaveLength(2);
    expect(await node.pruner.reclaimableBytes(never)).toBe(0);
    node.pruneHold = undefined;
    expect(await node.pruner.reclaimableBytes(never)).toBeGreaterThan(0);
  });
});

describe('a run by hand', () => {
  function createPlanning(annotations: Readonly<Record<string, string>>): Planning {
    const nothing = (): void => undefined;
    const inputs = new NodeInputs({
      configurationSource: '',
      labelsSource: '',
      recorder: node.recorder,
      log: silentLogger,
      onConfiguration: nothing,
      onNode: nothing,
      onProblem: nothing,
    });
    inputs.acceptConfiguration(sampleConfiguration([]));
    inputs.acceptNode({ ...standaloneNode('n1', {}), annotations });
    const info = node.runtime.info(never).then((told) => ({ runtime: node.runtime, info: told }));
    void info.then((found) => {
      connected = found;
    });
    let connected: Awaited<typeof info> | undefined;
    return new Planning({
      nodeName: 'n1',
      inputs,
      reconciler: node.reconciler,
      pruner: node.pruner,
      usage: node.usage,
      readFilesystem: async () => node.runtime.filesystem(),
      connected: () => connected,
      log: silentLogger,
    });
  }

  const order = { tier: undefined, untilFreeBytes: undefined };

  test('is refused with the reason while pruning is paused, a dry run is not, and the plan says it', async () => {
    const planning = createPlanning({ 'stevedore.dev/pause': 'prune' });
    await pass();
    await expect(planning.pruneNow({ ...order, dryRun: false }, () => undefined, never)).rejects.toThrow(
      /nothing is pruned while the node has the annotation stevedore\.dev\/pause: prune/,
    );
    expect(await planning.pruneNow({ ...order, dryRun: true }, () => undefined, never)).toBe('noop');
    expect(planning.lastPlan().prune.notes).toContainEqual(expect.stringContaining('stevedore.dev/pause'));
  });

  test('is not hindered by a pause of pulls', async () => {
    const planning = createPlanning({ 'stevedore.dev/pause': 'pull' });
    await pass();
    expect(await planning.pruneNow({ ...order, dryRun: false }, () => undefined, never)).toBe('noop');
  });
});

describe('a target that cannot be reached', () => {
  const missed = { kind: 'prune_target_missed', targetBytes: expect.any(Number), shortfallBytes: expect.any(Number) };

  test('is told once, and again only after a run reached it', async () => {
    configure({ spaceGraceMs: 24 * hour });
    fill();
    await pass(hour);
    expect(node.recorder.runs.length).toBeGreaterThan(2);
    expect(node.events).toEqual([missed]);
    configure();
    await pass(minute);
    expect(await images()).toHaveLength(2);
    expect(node.events).toHaveLength(1);
    configure({ spaceGraceMs: 24 * hour });
    node.runtime.disk.otherBytes = 60 * giga;
    await pass(hour);
    expect(node.events).toEqual([missed, missed]);
  });

  test('is not told of a dry run', async () => {
    configure({ spaceGraceMs: 24 * hour, dryRun: true });
    fill();
    await pass(hour);
    expect(node.recorder.runs).not.toEqual([]);
    expect(node.events).toEqual([]);
  });
});
