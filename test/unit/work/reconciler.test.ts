import { standaloneNode } from '../../../agent/core/node-state.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { PullRoundEvent } from '../../../agent/core/pull-round.ts';
import { fakeLayer } from '../../fakes/fake-image.ts';
import { FakeNode, sampleCredential } from '../../fakes/fake-node.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const a = 'reg.example/a:1';
const b = 'reg.example/b:1';
const never = new AbortController().signal;
let node: FakeNode;

beforeEach(() => {
  vi.useFakeTimers();
  void start();
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

function start(options: ConstructorParameters<typeof FakeNode>[0] = {}): Promise<void> {
  node = new FakeNode(options);
  for (const reference of [a, b]) node.runtime.registry.add(reference, { layers: [1_000] });
  return node.start();
}

/** Lets everything happen that needs no more than this much time. */
async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function held(): Promise<string[]> {
  const images = await node.runtime.listImages(never);
  return images.flatMap(({ tags }) => tags).toSorted();
}

function want(images: readonly string[], more: Parameters<typeof sampleSet>[2] = {}, prefetch = {}): void {
  node.reconciler.setConfiguration(sampleConfiguration([sampleSet('s', images, more)], prefetch));
}

test('a node holds the images that its labels ask for', async () => {
  const gpu = { matchLabels: { gpu: 'yes' }, matchExpressions: [] };
  node.reconciler.setNode(standaloneNode('n1', {}));
  node.reconciler.setConfiguration(
    sampleConfiguration([sampleSet('all', [a]), sampleSet('gpu', [b], { nodeSelector: gpu })]),
  );
  await pass();
  expect(await held()).toEqual([a]);
  node.reconciler.setNode(standaloneNode('n1', { gpu: 'yes' }));
  await pass();
  expect(await held()).toEqual([a, b]);
  expect(node.recorder.sets).toMatchObject([
    { imageSet: 'all', desired: 1, present: 1 },
    { imageSet: 'gpu', desired: 1, present: 1 },
  ]);
});

describe('changes', () => {
  test('the registry is asked at once about what a change brings, also while the runtime is slow to list what is here', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    want([a]);
    await pass();
    node.asked.length = 0;
    node.runtime.hanging.add('listImages');
    want([a, b]);
    await pass(10);
    expect(node.asked).toEqual([b]);
    node.runtime.hanging.clear();
    want([a, b], { priority: 1 });
    await pass();
    expect(await held()).toEqual([a, b]);
  });

  test('the registry is not asked ahead about what must not be pulled', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    want([a]);
    await pass();
    node.asked.length = 0;
    node.runtime.hanging.add('listImages');
    want([b], {}, { allow: ['reg.example/a*'] });
    want([b], {}, { enabled: false });
    await pass(10);
    expect(node.asked).toEqual([]);
  });

  test('a pull that is no longer desired is aborted at once, also when the runtime does not answer, and its lease is let go', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(a, 100);
    want([a]);
    await pass();
    expect(node.runtime.pulling).toEqual([a]);
    node.runtime.hanging.add('listImages');
    want([b]);
    await pass(10);
    expect(node.runtime.pulling).toEqual([]);
    node.runtime.hanging.clear();
    want([b], { priority: 1 });
    await pass();
    expect(await held()).toEqual([b]);
    expect(node.runtime.leases).toEqual([]);
  });

  test.each([{ enabled: false }, { dryRun: true }])(
    'an off switch (%o) stops pulls at once and keeps others from starting',
    async (off) => {
      node.reconciler.setNode(standaloneNode('n1', {}));
      node.runtime.holdPull(a, 100);
      want([a, b], {}, { concurrency: 1 });
      await pass();
      want([a, b], {}, { concurrency: 1, ...off });
      await pass(60_000);
      expect(node.runtime.pulling).toEqual([]);
      expect(await held()).toEqual([]);
    },
  );

  test('an aborted pull resumes where it stopped', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(a, 600);
    want([a]);
    await pass();
    want([a], {}, { enabled: false });
    await pass();
    node.runtime.releasePull(a);
    want([a]);
    await pass();
    expect(await held()).toEqual([a]);
    const image = node.runtime.registry.find(a);
    expect(node.runtime.registry.bytesSent).toBe(1_000 + (image?.configBytes ?? 0));
    expect(node.recorder.bytes).toBe(node.runtime.registry.bytesSent);
  });
});

test('a layer that two images share is counted once', async () => {
  const base = fakeLayer('base', 5_000);
  node.runtime.registry.add(a, { layers: [base, 10] });
  node.runtime.registry.add(b, { layers: [base, 20] });
  node.reconciler.setNode(standaloneNode('n1', {}));
  want([a, b]);
  await pass();
  expect(await held()).toEqual([a, b]);
  expect(node.recorder.bytes).toBe(node.runtime.registry.bytesSent);
});

describe('failures', () => {
  test('are tried again when their own set, or what all pulls depend on, is edited; not for an edit elsewhere', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    const configure = (more: Parameters<typeof sampleSet>[2], others: readonly string[], prefetch = {}): void =>
      node.reconciler.setConfiguration(
        sampleConfiguration([sampleSet('s', [a], more), sampleSet('others', others)], prefetch),
      );
    const tries = (): number => node.recorder.failures.length;
    const refuse = (): void => node.runtime.failPull(a, new Failure('not_found', 'no such tag'));
    refuse();
    configure({}, []);
    await pass();
    refuse();
    configure({}, [b]);
    await pass();
    expect(await held()).toEqual([b]);
    expect(tries()).toBe(1);
    configure({ priority: 5 }, [b]);
    await pass();
    expect(tries()).toBe(2);
    configure({ priority: 5 }, [b], { concurrency: 3 });
    await pass();
    expect(await held()).toEqual([a, b]);
  });

  test('a transient failure is tried again by itself, a permanent one not soon', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.failPull(a, new Failure('network', 'reset'));
    node.runtime.failPull(b, new Failure('not_found', 'no such tag'));
    want([a, b]);
    await pass();
    expect(node.recorder.failures.toSorted()).toEqual(['network', 'not_found']);
    expect(node.recorder.waiting.get('backoff')).toBe(2);
    await pass(10_000);
    expect(await held()).toEqual([a]);
    await pass(20 * 60_000);
    expect(await held()).toEqual([a, b]);
  });

  test('a changed configuration ends the wait', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.failPull(a, new Failure('not_found', 'no such tag'));
    want([a]);
    await pass(1_000);
    expect(await held()).toEqual([]);
    want([a], { priority: 1 });
    await pass();
    expect(await held()).toEqual([a]);
  });

  test('every credential is tried, and changed ones end the wait of a refused image', async () => {
    node.runtime.registry.requireLogin('reg.example', 'robot', 'new');
    node.credentials = [sampleCredential('reg.example', 'old'), sampleCredential('reg.example', 'older')];
    node.reconciler.setNode(standaloneNode('n1', {}));
    want([a]);
    await pass();
    expect(node.recorder.failures).toEqual(['auth']);
    expect(node.runtime.calls.filter(({ method }) => method === 'pull')).toHaveLength(2);
    node.credentials = [sampleCredential('reg.example', 'old'), sampleCredential('reg.example', 'new')];
    await pass(6_000);
    expect(await held()).toEqual([a]);
  });

  test('silence is given up, slowness is not', async () => {
    await node.stop();
    void start({ unpackMs: 3_600_000 });
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(b, 100);
    want([a, b], {}, { stallTimeoutMs: 60_000 });
    await pass(65_000);
    expect(node.recorder.failures).toEqual(['timeout']);
    expect(node.runtime.pulling).toContain(a);
  });

  test('where no progress shows, only the limit on the whole counts', async () => {
    await node.stop();
    void start({ like: 'cri' });
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(a, 100);
    want([a], {}, { stallTimeoutMs: 1_000, pullTimeoutMs: 60_000 });
    await pass(59_000);
    expect(node.recorder.failures).toEqual([]);
    await pass(1_000);
    expect(node.recorder.failures).toEqual(['timeout']);
  });
});

test('an image that is desired while its own removal cannot be stopped any more is neither here nor lost: it is pulled', async () => {
  node.reconciler.setNode(standaloneNode('n1', {}));
  const { id } = node.runtime.addImage(a, { layers: [1_000] });
  const { release } = node.lock.take(id, [a]);
  want([a]);
  await pass(5_000);
  expect(node.recorder.sets).toMatchObject([{ desired: 1, present: 0 }]);
  node.runtime.vanish(a);
  release();
  await pass(5_000);
  expect(await held()).toEqual([a]);
  expect(node.recorder.lost).toBe(0);
});

test('a pull counts as running for whoever looked at the node before it ended', async () => {
  node.reconciler.setNode(standaloneNode('n1', {}));
  node.runtime.holdPull(a);
  want([a]);
  await pass(1_000);
  const listed = performance.now();
  expect(node.reconciler.pullingSince(listed)).toContain(a);
  node.runtime.releasePull(a);
  await pass(1_000);
  const [image] = await node.runtime.listImages(never);
  expect(image?.tags).toEqual([a]);
  expect(node.reconciler.pullingSince(listed)).toEqual(new Set([a, image?.id]));
  expect(node.reconciler.pullingSince(performance.now())).toEqual(new Set());
});

test('a listing from before the end of a removal does not tell that the image is here', async () => {
  node.reconciler.setNode(standaloneNode('n1', {}));
  const { id } = node.runtime.addImage(a, { layers: [1_000] });
  const { release } = node.lock.take(id, [a]);
  const listed = performance.now();
  await pass(1_000);
  release();
  expect(node.lock.namesSince(listed)).toEqual(new Set([a]));
  await pass(1_000);
  expect(node.lock.namesSince(performance.now())).toEqual(new Set());
});

test('an image that vanishes is noticed by event, counted and pulled again; when it keeps vanishing, later and later', async () => {
  node.reconciler.setNode(standaloneNode('n1', {}));
  want([a]);
  await pass();
  node.runtime.vanish(a);
  await pass(1_000);
  expect(await held()).toEqual([a]);
  expect(node.recorder.lost).toBe(1);
  node.runtime.vanish(a);
  await pass(3_000);
  expect(await held()).toEqual([]);
  expect(node.recorder.waiting.get('backoff')).toBe(1);
  await pass(20_000);
  expect(await held()).toEqual([a]);
});

test('without events the loss is noticed at the next look, within 30 s', async () => {
  await node.stop();
  void start({ like: 'cri' });
  node.reconciler.setNode(standaloneNode('n1', {}));
  want([a]);
  await pass();
  node.runtime.vanish(a);
  await pass(31_000);
  expect(await held()).toEqual([a]);
});

test('with pullPolicy Always a moved tag is noticed after its interval and pulled; an unmoved one costs no pull', async () => {
  node.reconciler.setNode(standaloneNode('n1', {}));
  want([a], { pullPolicy: 'Always', refreshEveryMs: 60_000 });
  await pass(70_000);
  const pulls = () => node.runtime.calls.filter(({ method }) => method === 'pull').length;
  expect(pulls()).toBe(1);
  node.runtime.registry.add(a, { layers: [2_000] });
  await pass(70_000);
  expect(pulls()).toBe(2);
  expect(await held()).toEqual([a]);
});

describe('the runtime goes', () => {
  test('and comes back: the agent waits, reconnects and looks again', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(a, 100);
    want([a]);
    await pass();
    node.runtime.goAway();
    await pass(60_000);
    expect(node.recorder.up.at(-1)).toBe(false);
    expect(node.recorder.waiting.get('backoff')).toBe(0);
    node.runtime.releasePull(a);
    node.runtime.comeBack();
    await pass(6_000);
    expect(node.recorder.up.at(-1)).toBe(true);
    expect(await held()).toEqual([a]);
  });

  test('for ever, as its socket file is dead: the agent leaves', async () => {
    await node.stop();
    const running = start();
    await pass();
    const left = expect(running).rejects.toMatchObject({ detail: 'dead_socket' });
    node.socketDead = true;
    node.runtime.goAway();
    await pass(1_000);
    await left;
  });
});

describe('a round on request', () => {
  function follow(): { events: PullRoundEvent[]; outcome: Promise<string> } {
    const events: PullRoundEvent[] = [];
    return { events, outcome: node.reconciler.pullRound((event) => events.push(event), never) };
  }

  test('tells what it pulled, and that there is nothing left to do', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    want([a, b]);
    const first = follow();
    await pass();
    expect(await first.outcome).toBe('success');
    expect(first.events.filter(({ kind }) => kind === 'pulled')).toHaveLength(2);
    expect(first.events.at(-1)).toMatchObject({ kind: 'done', pulled: 2, failed: 0, waiting: 0, present: 2 });
    const second = follow();
    await pass();
    expect(await second.outcome).toBe('noop');
  });

  test('ends although something failed, and tries what waited for its backoff', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.failPull(b, new Failure('not_found', 'no such tag'));
    want([a, b]);
    const first = follow();
    await pass();
    expect(await first.outcome).toBe('partial');
    expect(first.events).toContainEqual(expect.objectContaining({ kind: 'waiting', reference: b, reason: 'backoff' }));
    const second = follow();
    await pass();
    expect(await second.outcome).toBe('success');
  });

  test('fails when the runtime goes meanwhile', async () => {
    node.reconciler.setNode(standaloneNode('n1', {}));
    node.runtime.holdPull(a, 100);
    want([a]);
    const { outcome } = follow();
    const failed = expect(outcome).rejects.toMatchObject({ code: 'runtime' });
    await pass();
    node.runtime.goAway();
    await pass(1_000);
    await failed;
  });
});
