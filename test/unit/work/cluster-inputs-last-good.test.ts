import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { FakeApi } from '../../fakes/fake-cluster.ts';
import { createInputsWorld, FakeLastGoodStore, setsText, team, type WorldOptions } from './cluster-inputs-world.ts';

const nobody = new Failure('network', 'connect ECONNREFUSED');
let api: FakeApi;
let store: FakeLastGoodStore;
const lives: ReturnType<typeof createInputsWorld>[] = [];

function newLife(options: WorldOptions = {}) {
  const life = createInputsWorld({ api, store, ...options });
  lives.push(life);
  return life;
}

beforeEach(async () => {
  vi.useFakeTimers();
  api = new FakeApi();
  store = new FakeLastGoodStore();
  api.setNode('gpu-1', {
    labels: { gpu: 'a' },
    annotations: { 'stevedore.dev/pause': 'prune' },
    unschedulable: true,
    taints: [{ key: 'gate', value: undefined, effect: 'NoSchedule' }],
    containerRuntimeVersion: 'containerd://2.1.5',
    conditions: [
      {
        type: 'DiskPressure',
        status: 'True',
        reason: '',
        message: '',
        lastHeartbeatAt: undefined,
        lastTransitionAt: undefined,
      },
    ],
  });
  api.setConfigMap('stevedore', setsText('main'));
  api.setConfigMap('team-a', setsText('a'), { ...team, createdAt: 1 });
  const first = newLife();
  await first.start();
  await first.stop();
});
afterEach(async () => {
  for (const life of lives.splice(0)) await life.stop();
  vi.useRealTimers();
});

describe('without the API server', () => {
  test('an agent starts from the last good after ten seconds, and says so with its age', async () => {
    await vi.advanceTimersByTimeAsync(3_600_000);
    const { conditions, ...node } = api.node('gpu-1') ?? { conditions: [] };
    const life = newLife();
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(9_900);
    expect(life.inputs.problem).toBe('no configuration has been accepted yet');

    await vi.advanceTimersByTimeAsync(200);
    expect(life.sets()).toEqual(['main', 'a']);
    // A pressure of then says nothing of now.
    expect(conditions).toHaveLength(1);
    expect(life.inputs.node).toEqual({ ...node, conditions: [] });
    expect(life.said.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: 'the API server is not heard: what it said last stays in force', error: 'connect ECONNREFUSED' },
      {
        message: 'starting from the last good configuration',
        why: 'connect ECONNREFUSED',
        savedAt: new Date(store.stored?.savedAt ?? 0).toISOString(),
        ageSeconds: 3610,
      },
      { message: 'starting from the last good labels of the Node', ageSeconds: 3610 },
    ]);
    // Nothing was loaded.
    expect(life.loads).toEqual([]);
  });

  test('what has changed meanwhile is caught up with when it is there again', async () => {
    const life = newLife();
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(life.sets()).toEqual(['main', 'a']);
    api.setNode('gpu-1', { labels: { gpu: 'b' } });
    api.removeConfigMap('team-a');
    life.cluster.away(undefined);
    expect(life.sets()).toEqual(['main']);
    expect(life.inputs.node).toEqual(api.node('gpu-1'));
    expect(life.loads).toEqual([true]);
    expect(life.saidAt('info')).toContain('configuration and Node are watched');
  });

  test('the same configuration counts as loaded once it is heard from', async () => {
    const life = newLife();
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(10_000);
    life.cluster.away(undefined);
    expect(life.loads).toEqual([true]);
  });

  test('an agent that never had one waits, and says so', async () => {
    store.stored = undefined;
    const life = newLife();
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(life.inputs.problem).toBe('no configuration has been accepted yet');
    expect(life.saidAt('warn')).toHaveLength(2);
    life.cluster.away(undefined);
    expect(life.inputs.problem).toBeUndefined();
  });

  test('without a state folder nothing is kept', async () => {
    const life = createInputsWorld({ api });
    lives.push(life);
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(life.inputs.configuration).toBeUndefined();
  });

  test.each([
    ['node', { nodeName: 'gpu-2' }],
    ['namespace', { namespace: 'other' }],
  ])('what another %s left is not used', async (_, options) => {
    const life = newLife(options);
    life.cluster.away(nobody);
    await life.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect({ sets: life.sets(), node: life.inputs.node }).toEqual({ sets: undefined, node: undefined });
    expect(life.saidAt('info')).toContain('the last good configuration is of another node or ConfigMap, and not used');
  });

  test('an API server that answers in time is all there is', async () => {
    api.setConfigMap('stevedore', setsText('new'));
    const life = newLife();
    await life.start();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(life.configurations).toHaveLength(1);
    expect(life.saidAt('warn')).toEqual([]);
  });
});

describe('a start beside what is refused', () => {
  /** As a newer Stevedore would take it. */
  const withHarbor: typeof parseConfiguration = (text, source) =>
    parseConfiguration(text.replace('harbor: {}', ''), source);

  test('an old agent beside a newer ConfigMap keeps what it knows, and names the unknown key', async () => {
    api.setConfigMap('stevedore', `harbor: {}\n${setsText('new')}`);
    const life = newLife();
    await life.start();
    expect(life.sets()).toEqual(['main', 'a']);
    expect(life.inputs.problem).toBeUndefined();
    expect(life.saidAt('warn')).toEqual(['starting from the last good configuration']);
    expect(life.saidAt('error')).toEqual(['configuration refused, the last good one stays in force']);
    expect(life.announced).toMatchObject([{ mistakes: 'configmap stevedore/stevedore:1: harbor: unknown key' }]);
    expect(life.loads).toEqual([false]);
  });

  test('what was kept by a newer version counts as none, and is there for that version again', async () => {
    api.setConfigMap('stevedore', `harbor: {}\n${setsText('new')}`);
    const newer = newLife({ parseMain: withHarbor });
    await newer.start();
    await newer.stop();

    const older = newLife();
    await older.start();
    expect(older.inputs.problem).toBe('configmap stevedore/stevedore:1: harbor: unknown key');
    api.setNode('gpu-1', { labels: { gpu: 'c' } });
    await older.stop();

    const again = newLife({ parseMain: withHarbor });
    again.cluster.away(nobody);
    await again.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(again.sets()).toEqual(['new', 'a']);
    expect(again.inputs.node?.labels).toEqual({ gpu: 'c' });
  });

  test("a team's last good one outlives a restart, if its ConfigMap is still the same", async () => {
    api.setConfigMap('team-a', 'x: [');
    const life = newLife();
    await life.start();
    expect(life.sets()).toEqual(['main', 'a']);
    await life.stop();
    api.removeConfigMap('team-a');
    api.setConfigMap('team-a', 'x: [', team);
    const next = newLife();
    await next.start();
    expect(next.sets()).toEqual(['main']);
  });
});

describe('what is kept', () => {
  test('is written once for much that changes at once, and not at all for nothing', async () => {
    const life = newLife();
    await life.start();
    await vi.advanceTimersByTimeAsync(60_000);
    const before = store.saves;
    for (let i = 0; i < 10; i += 1) {
      api.setConfigMap('stevedore', setsText(`s${i}`));
      await vi.advanceTimersByTimeAsync(100);
    }
    await vi.advanceTimersByTimeAsync(20_000);
    expect(store.saves - before).toBe(2);
    expect(store.stored?.main?.text).toBe(setsText('s9'));
    api.setNode('gpu-1', { conditions: [] });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(store.saves - before).toBe(2);
  });

  test('is what is in force, not what was refused, and is on disk when the agent has stopped', async () => {
    const life = newLife();
    await life.start();
    api.setConfigMap('stevedore', setsText('good'));
    await vi.advanceTimersByTimeAsync(0);
    api.setConfigMap('stevedore', setsText('better'));
    api.setConfigMap('stevedore', 'bad: yes');
    await life.stop();
    expect(store.stored?.main?.text).toBe(setsText('better'));
  });

  test('is written again when the disk lets it, and said once', async () => {
    store.failure = new Error('ENOSPC');
    const life = newLife();
    await life.start();
    api.setConfigMap('stevedore', setsText('new'));
    await vi.advanceTimersByTimeAsync(100_000);
    expect(life.saidAt('warn')).toEqual(['the last good configuration cannot be written; trying again']);
    store.failure = undefined;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(store.stored?.main?.text).toBe(setsText('new'));
  });
});

describe('one look', () => {
  test('takes everything as it is now', async () => {
    const life = newLife();
    await life.clusterInputs.load();
    await life.clusterInputs.readOnce(life.cluster, new AbortController().signal);
    expect({ sets: life.sets(), node: life.inputs.node }).toEqual({ sets: ['main', 'a'], node: api.node('gpu-1') });
  });

  test('makes do with the last good, and says so', async () => {
    const life = newLife();
    life.cluster.away(nobody);
    await life.clusterInputs.load();
    await life.clusterInputs.readOnce(life.cluster, new AbortController().signal);
    expect(life.sets()).toEqual(['main', 'a']);
    // The level that the commands show.
    expect(life.said).toContainEqual(expect.objectContaining({ level: 'error', error: 'connect ECONNREFUSED' }));
  });

  test('fails with what is missing', async () => {
    store.stored = undefined;
    const life = newLife();
    life.cluster.away(nobody);
    await expect(life.clusterInputs.readOnce(life.cluster, new AbortController().signal)).rejects.toBe(nobody);
    life.cluster.away(undefined);
    api.setConfigMap('stevedore', 'harbor: {}');
    const message = 'configmap stevedore/stevedore:1: harbor: unknown key';
    await expect(life.clusterInputs.readOnce(life.cluster, new AbortController().signal)).rejects.toThrow(message);
  });

  test('ends with the signal', async () => {
    const life = newLife();
    const reason = new Error('stopped');
    await expect(life.clusterInputs.readOnce(life.cluster, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
