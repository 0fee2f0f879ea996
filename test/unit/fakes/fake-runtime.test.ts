import { describe, expect, it, vi } from 'vitest';
import type { RuntimeKind } from '../../../agent/runtime/runtime.ts';
import { fakeLayer } from '../../fakes/fake-image.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';

const { signal } = new AbortController();
const base = fakeLayer('base', 1_000, 4_000);

function withImage(like: RuntimeKind) {
  const runtime = new FakeRuntime({ like });
  runtime.registry.add('example.test/team/app:1', { layers: [base, 500] });
  return runtime;
}

async function pullAll(runtime: FakeRuntime, ...references: readonly string[]): Promise<string> {
  let id = '';
  for (const reference of references) {
    const request = { reference, credential: undefined, expected: undefined, onProgress: () => {} };
    ({ imageId: id } = await runtime.pull(request, signal));
  }
  return id;
}

async function namesOf(runtime: FakeRuntime): Promise<string[]> {
  return (await runtime.listImages(signal)).flatMap(({ tags, digests }) => [...tags, ...digests]).toSorted();
}

describe('a removal on the fake runtime', () => {
  it.each([
    { like: 'containerd', step: 0, answer: 'in_use' },
    { like: 'containerd', step: 1, answer: 'in_use' },
    { like: 'containerd', step: 2, answer: 'in_use' },
    { like: 'docker', step: 0, answer: 'in_use' },
    { like: 'docker', step: 1, answer: 'in_use' },
    { like: 'cri', step: 0, answer: 'removed' },
  ] as const)('on $like with a container that appears at step $step: $answer', async ({ like, step, answer }) => {
    const runtime = withImage(like);
    const id = await pullAll(runtime, 'example.test/team/app:1');
    const before = await namesOf(runtime);
    runtime.onRemovalStep(({ gone }) => {
      if (gone.length === step) runtime.createContainer('example.test/team/app:1');
    });
    expect(await runtime.removeImage(id, signal)).toMatchObject({ kind: answer });
    expect(await namesOf(runtime)).toEqual(answer === 'in_use' ? before : []);
  });

  it('does not put back a name that somebody gave to another image meanwhile', async () => {
    const runtime = withImage('containerd');
    const id = await pullAll(runtime, 'example.test/team/app:1');
    const other = runtime.addImage('example.test/team/other:1', { layers: [7] });
    runtime.onRemovalStep(({ gone }) => {
      if (gone.length !== 2) return;
      runtime.createContainer('example.test/team/app:1');
      runtime.tag('example.test/team/other:1', 'example.test/team/app:1');
    });
    expect(await runtime.removeImage(id, signal)).toEqual({ kind: 'in_use' });
    const images = await runtime.listImages(signal);
    expect(images.find((image) => image.id === other.id)?.tags).toContain('example.test/team/app:1');
    expect(images.find((image) => image.id === id)).toMatchObject({ tags: [], whole: true });
  });

  it.each([
    { like: 'containerd', names: 1 },
    { like: 'containerd', names: 2 },
    { like: 'docker', names: 1 },
  ] as const)('on $like cut off after $names names is undone, pins too', async ({ like, names }) => {
    const runtime = withImage(like);
    const id = await pullAll(runtime, 'example.test/team/app:1');
    if (like === 'containerd') await runtime.setPinned('example.test/team/app:1', true, signal);
    const before = await runtime.listImages(signal);
    const begun = { imageId: id, names: await namesOf(runtime) };
    runtime.cutRemoval(id, names);
    expect(await runtime.listImages(signal)).not.toEqual(before);
    await runtime.discardPartialPulls(new Set(), signal);
    expect(await runtime.undoRemovals(begun, signal)).toEqual([id]);
    expect(await runtime.listImages(signal)).toEqual(before);
    expect(await runtime.undoRemovals(begun, signal)).toEqual([]);
  });

  it('ends where the step throws, and can then be undone', async () => {
    const runtime = withImage('containerd');
    const id = await pullAll(runtime, 'example.test/team/app:1');
    const before = await namesOf(runtime);
    const killed = new Error('killed');
    runtime.onRemovalStep(({ gone }) => {
      if (gone.length === 1) throw killed;
    });
    await expect(runtime.removeImage(id, signal)).rejects.toBe(killed);
    expect(await namesOf(runtime)).toHaveLength(1);
    expect(await runtime.undoRemovals(undefined, signal)).toEqual([id]);
    expect(await namesOf(runtime)).toEqual(before);
  });

  it('leaves alone what a pull still holds', async () => {
    const runtime = withImage('containerd');
    runtime.registry.add('example.test/team/next:1', { layers: [base, 900] });
    const id = await pullAll(runtime, 'example.test/team/app:1');
    runtime.holdPull('example.test/team/next:1', 1_100);
    const pulling = pullAll(runtime, 'example.test/team/next:1');
    await runtime.held('example.test/team/next:1', signal);
    const removal = await runtime.removeImage(id, signal);
    const freed = removal.kind === 'removed' ? (removal.freed ?? []) : [];
    expect(freed.map(({ store, bytes }) => `${store} ${bytes}`)).toEqual([
      'content 100',
      'content 500',
      'snapshot 1000',
    ]);
    runtime.releasePull('example.test/team/next:1');
    await pulling;
    expect(await runtime.listImages(signal)).toMatchObject([{ whole: true }]);
  });
});

describe("the fake runtime's disk", () => {
  it('gives back on containerd exactly what a removal says is freed', async () => {
    const runtime = withImage('containerd');
    const free = runtime.filesystem();
    const id = await pullAll(runtime, 'example.test/team/app:1');
    const parts = (await runtime.listImageParts(signal)).get(id) ?? [];
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    expect(bytes).toBe(100 + 1_000 + 500 + 4_000 + 1_000);
    expect(free.availBytes - runtime.filesystem().availBytes).toBe(bytes);
    expect(free.filesFree - runtime.filesystem().filesFree).toBe(parts.reduce((sum, part) => sum + part.inodes, 0));
    expect(await runtime.removeImage(id, signal)).toEqual({ kind: 'removed', freed: parts });
    expect(runtime.filesystem()).toEqual(free);
  });

  it('gives back on Docker more than the sizes say', async () => {
    const runtime = withImage('docker');
    const { availBytes } = runtime.filesystem();
    const id = await pullAll(runtime, 'example.test/team/app:1');
    const parts = (await runtime.listImageParts(signal)).get(id) ?? [];
    const nominal = parts.reduce((sum, part) => sum + part.bytes, 0);
    expect(nominal).toBe(5_000);
    expect(availBytes - runtime.filesystem().availBytes).toBeGreaterThan(nominal);
  });

  it('takes what others write and leftovers hold, and fails a pull when it is full', async () => {
    const runtime = withImage('containerd');
    runtime.disk.sizeBytes = 10_000;
    runtime.disk.otherBytes = 4_000;
    const leftover = runtime.addLeftover({ kind: 'ingest', id: 'stale', bytes: 1_000 });
    expect(runtime.filesystem().availBytes).toBe(5_000);
    await expect(pullAll(runtime, 'example.test/team/app:1')).rejects.toMatchObject({ code: 'no_space' });
    expect(runtime.filesystem().availBytes).toBeLessThan(5_000);
    await runtime.discardPartialPulls(new Set(), signal);
    expect(runtime.filesystem().availBytes).toBe(5_000);
    expect(await runtime.removeLeftover(leftover, signal)).toBe('removed');
    runtime.disk.otherBytes = 0;
    await pullAll(runtime, 'example.test/team/app:1');
    expect(runtime.filesystem().availBytes).toBe(10_000 - 6_600);
  });
});

it('keeps the times of containers by the clock of the test', async () => {
  vi.useFakeTimers({ now: 1_000_000 });
  try {
    const runtime = withImage('docker');
    await pullAll(runtime, 'example.test/team/app:1');
    const id = runtime.createContainer('example.test/team/app:1');
    vi.setSystemTime(2_000_000);
    runtime.exitContainer(id);
    expect(await runtime.listContainers(signal)).toMatchObject([{ createdAt: 1_000_000, finishedAt: 2_000_000 }]);
  } finally {
    vi.useRealTimers();
  }
});

it('takes the image that a name stands for now for a container made by hand, beside the one that it was made from', async () => {
  const runtime = withImage('containerd');
  const id = await pullAll(runtime, 'example.test/team/app:1');
  runtime.createContainer('example.test/team/app:1', { byHand: true });
  const other = runtime.addImage('example.test/team/other:1', { layers: [7] });
  runtime.tag('example.test/team/other:1', 'example.test/team/app:1');
  expect((await runtime.listContainers(signal))[0]?.imageIds).toEqual([id, other.id]);
});

it('does not remove a leftover that came into use', async () => {
  const runtime = new FakeRuntime({ like: 'docker' });
  const leftover = runtime.addLeftover({ kind: 'network', id: 'net' });
  runtime.useLeftover('network', 'net');
  expect(await runtime.listLeftovers(new Set(['network']), signal)).toEqual([]);
  expect(await runtime.removeLeftover(leftover, signal)).toBe('in_use');
});
