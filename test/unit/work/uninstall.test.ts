import { describe, expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { UninstallEvent } from '../../../agent/core/uninstall-round.ts';
import { runUninstall, type Step, toClusterSteps, toTraceSteps } from '../../../agent/work/uninstall.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';

const never = new AbortController().signal;

async function run(steps: readonly Step[], signal = never): Promise<{ outcome: string; told: readonly string[] }> {
  const told: string[] = [];
  const onEvent = (event: UninstallEvent): void => {
    if (event.kind === 'done_step') told.push(`${event.step} ${event.count}`);
    if (event.kind === 'failed_step') told.push(`${event.step}: ${event.message}`);
    if (event.kind === 'done') told.push(`done ${event.count} ${event.failed}`);
  };
  return { outcome: await runUninstall(steps, onEvent, signal), told };
}

const taken = (name: Step['name'], count: number): Step => ({ name, run: () => Promise.resolve(count) });
const broken = (name: Step['name']): Step => ({ name, run: () => Promise.reject(new Failure('timeout', 'hung')) });

describe('steps', () => {
  test('every one is tried, whatever became of those before it', async () => {
    expect(await run([taken('pins', 2), broken('leases'), taken('state', 3)])).toEqual({
      outcome: 'partial',
      told: ['pins 2', 'leases: hung', 'state 3', 'done 5 1'],
    });
  });

  test.each([
    ['noop', [taken('pins', 0), taken('state', 0)]],
    ['success', [taken('pins', 0), taken('state', 1)]],
    ['partial', [broken('pins'), taken('state', 0)]],
    ['error', [broken('pins'), broken('state')]],
  ] as const)('%s', async (outcome, steps) => {
    expect((await run(steps)).outcome).toBe(outcome);
  });

  test('an abort ends it between two steps', async () => {
    const stop = new AbortController();
    const aborting: Step = {
      name: 'pins',
      run: () => {
        stop.abort(new Error('stopped'));
        return Promise.resolve(1);
      },
    };
    await expect(run([aborting, taken('state', 1)], stop.signal)).rejects.toThrow('stopped');
  });
});

test('of a runtime: pins of ours, what aborted pulls left, removals that were cut off', async () => {
  const runtime = new FakeRuntime();
  const [a, b, c] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1'] as const;
  for (const name of [a, b, c]) runtime.addImage(name, { layers: [1_000] });
  await runtime.setPinned(a, true, never);
  runtime.pinByOther(b);
  runtime.cutRemoval((await runtime.listImages(never)).find(({ tags }) => tags.includes(c))?.id ?? '', 1);
  const first = await run(toTraceSteps(runtime));
  expect(first).toEqual({ outcome: 'success', told: ['pins 1', 'leases 1', 'ties 0', 'guards 0', 'done 2 0'] });
  const images = await runtime.listImages(never);
  expect(images.flatMap(({ pinnedNames }) => pinnedNames)).toEqual([]);
  expect(images.filter(({ pinnedByOthers }) => pinnedByOthers)).toHaveLength(1);
  expect((await run(toTraceSteps(runtime))).outcome).toBe('noop');
});

describe('of the cluster', () => {
  function world(leases: Record<string, string> = {}): { api: FakeApi; cluster: FakeCluster; steps: readonly Step[] } {
    const api = new FakeApi();
    for (const [name, holder] of Object.entries(leases)) {
      api.setLease({ name, holder, durationSeconds: 60, renewedAt: 0 });
    }
    const cluster = new FakeCluster('n1', { api });
    return { api, cluster, steps: toClusterSteps(cluster, 'n1') };
  }

  test('labels, condition and Leases of this node, and no others; the second time there is nothing to do', async () => {
    const { api, cluster, steps } = world({
      'stevedore-pull-0': 'n1',
      'stevedore-pull-1': 'n2',
      'stevedore-coordinator': 'n1_0123abcd',
      'stevedore-pull-2': 'n1_other',
      other: 'n1',
    });
    const conditions = ['Ready', 'ImageSetsReady'].map((type) => ({
      type,
      status: 'True',
      reason: 'R',
      message: '',
      lastHeartbeatAt: 0,
      lastTransitionAt: 0,
    }));
    api.setNode('n1', { labels: { zone: 'a', 'image-set.stevedore.dev/gpu': 'ready' }, conditions });
    expect(await run(steps)).toEqual({ outcome: 'success', told: ['node 2', 'slots 2', 'done 4 0'] });
    expect(api.node('n1')?.labels).toEqual({ zone: 'a' });
    expect(api.node('n1')?.conditions.map(({ type }) => type)).toEqual(['Ready']);
    expect(
      ['stevedore-pull-0', 'stevedore-pull-1', 'stevedore-pull-2', 'stevedore-coordinator', 'other'].map(
        (name) => api.lease(name)?.holder,
      ),
    ).toEqual(['', 'n2', 'n1_other', '', 'n1']);
    expect((await run(steps)).outcome).toBe('noop');
    expect(cluster.patches).toHaveLength(1);
  });

  test('a Node that is gone has nothing left', async () => {
    expect((await run(world().steps)).outcome).toBe('noop');
  });

  test('an API server that is not there leaves both for the next try', async () => {
    const { cluster, steps } = world();
    cluster.away(new Failure('network', 'connection refused'));
    expect(await run(steps)).toEqual({
      outcome: 'error',
      told: ['node: connection refused', 'slots: connection refused', 'done 0 2'],
    });
  });

  test('a Lease that somebody changed meanwhile is looked at again, three times', async () => {
    const conflict = new Failure('other', 'the object has been modified', { detail: 'conflict' });
    const { api, cluster, steps } = world({ 'stevedore-pull-0': 'n1' });
    cluster.fail('updateLease', conflict, 2);
    expect((await run(steps)).outcome).toBe('success');
    expect(api.lease('stevedore-pull-0')?.holder).toBe('');
    const endless = world({ 'stevedore-pull-0': 'n1' });
    endless.cluster.fail('updateLease', conflict, 99);
    expect((await run(endless.steps)).outcome).toBe('partial');
    expect(endless.cluster.calls.filter((call) => call === 'updateLease')).toHaveLength(3);
  });
});
