import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createContainerdRuntime } from '../../agent/runtime/containerd/containerd-runtime.ts';
import { createCriRuntime } from '../../agent/runtime/cri/cri-runtime.ts';
import { buildImage, buildLayer, busyboxImage } from '../harness/images.ts';
import { eventually, findImage, pull, push, runnableImage, smallImage, soon, toRequest } from './helpers.ts';
import { describeRuntimeContract } from './runtime-contract.ts';
import { ctrContainers } from './subjects/containerd-containers.ts';
import { containerdMissing, makeContainerdSubject } from './subjects/containerd-subject.ts';
import type { ContainerdSubject } from './subjects/containerd-subject.ts';
import { podContainers } from './subjects/pods.ts';
import type { PodContainers } from './subjects/pods.ts';

const makeSubject = () =>
  makeContainerdSubject({
    connect: (endpoint) => createContainerdRuntime({ endpoint }),
    containers: ctrContainers,
    expected: {
      kind: 'containerd',
      capabilities: { events: true, progress: true, resume: true, pin: true, alias: true, exactSizes: true },
      layers: { chainIds: true, blobs: true },
      seesDamage: true,
      tellsRemovedNames: true,
      removalInUse: 'in_use',
      parts: { stores: ['content', 'snapshot'], whole: false },
      tellsStart: false,
      undoesBegun: false,
    },
  });

describeRuntimeContract('containerd with its own services', makeSubject, containerdMissing);

describe.skipIf(containerdMissing !== undefined)('containerd beside the kubelet', () => {
  let subject: ContainerdSubject;
  let pods: PodContainers;

  beforeAll(async () => {
    subject = await makeSubject();
    pods = podContainers(subject.containerd.endpoint, subject.containerd.folder);
  });
  afterAll(async () => {
    pods.close();
    await subject.close();
  });

  it('lists the containers of pods, their sandboxes, and what ctr started', async () => {
    const { runtime, registry, containers } = subject;
    const image = busyboxImage();
    const reference = await push(registry, 'pod', image);
    await pull(runtime, reference);
    const inPod = await pods.run(reference);
    const byHand = await containers.run(reference);
    const listed = new Map((await runtime.listContainers(soon())).map((container) => [container.id, container]));
    expect(listed.get(inPod)).toMatchObject({ state: 'running', imageIds: [image.configDigest] });
    expect(listed.get(byHand)).toMatchObject({ state: 'running', imageName: reference });
    expect(listed.get(pods.sandboxes.get(inPod) ?? '')).toMatchObject({ state: 'running' });
    await pods.stop(inPod);
    const stopped = (await runtime.listContainers(soon())).find(({ id }) => id === inPod);
    expect(stopped).toMatchObject({ state: 'exited', imageIds: [image.configDigest] });
    await pods.remove(inPod);
    await containers.remove(byHand);
  });

  it.each(['created', 'running', 'exited'] as const)(
    'does not remove the image of a pod whose container is %s, nor that of its sandbox',
    async (state) => {
      const { runtime, registry, sandboxImage } = subject;
      const image = runnableImage(`pod ${state}`);
      const reference = await push(registry, `pod-${state}`, image);
      await pull(runtime, reference);
      const inPod = state === 'created' ? await pods.create(reference) : await pods.run(reference);
      if (state === 'exited') await pods.stop(inPod);
      const before = await runtime.listImages(soon());
      expect(await runtime.removeImage(image.configDigest, soon())).toEqual({ kind: 'in_use' });
      const pause = before.find(({ tags }) => tags.includes(sandboxImage));
      expect(await runtime.removeImage(pause?.id ?? '', soon())).toEqual({ kind: 'in_use' });
      expect(await runtime.listImages(soon())).toEqual(before);
      await pods.remove(inPod);
      expect(await runtime.removeImage(image.configDigest, soon())).toMatchObject({ kind: 'removed' });
    },
  );

  it('gives a name that pods start from', async () => {
    const { runtime, registry } = subject;
    const reference = await push(registry, 'original', busyboxImage());
    await pull(runtime, reference);
    const alias = 'registry.example.test/team/alias:1';
    await runtime.addName(reference, alias, soon());
    await pods.remove(await pods.run(alias));
  });

  it('keeps what an aborted pull fetched over a restart of containerd and of the agent', async () => {
    const { runtime, registry, containerd } = subject;
    const layer = buildLayer({ seed: 'over a restart', sizeBytes: 6_000_000 });
    const image = buildImage({ layers: [layer] });
    const reference = await push(registry, 'restart', image);
    const controller = new AbortController();
    registry.throttle(4_000_000);
    const aborted = runtime.pull(toRequest(reference), controller.signal).catch((error: unknown) => error);
    await eventually(() => expect(registry.bytesOf(layer.digest)).toBeGreaterThan(layer.blob.length / 2));
    controller.abort(new Error('the agent stops'));
    expect(await aborted).toBe(controller.signal.reason);
    registry.throttle(undefined);
    await subject.stopRuntime();
    await subject.startRuntime();

    const next = createContainerdRuntime({ endpoint: containerd.endpoint });
    try {
      await next.discardPartialPulls(new Set([reference]), soon());
      const before = registry.bytesOf(layer.digest);
      expect(await pull(next, reference)).toBe(image.configDigest);
      expect(registry.bytesOf(layer.digest) - before).toBeLessThan(layer.blob.length * 0.75);
      expect(await subject.leftovers()).toEqual({ leases: [], ingests: [] });
    } finally {
      next.close();
    }
  });

  it('leaves the leases of others alone', async () => {
    const { runtime, containerd } = subject;
    await containerd.ctr('leases', 'create', '--id', 'somebody-else', '--expires', '1h');
    await runtime.discardPartialPulls(new Set(), soon());
    expect(await containerd.ctr('leases', 'ls', '--quiet')).toContain('somebody-else');
  });

  it('does not take for freed what another namespace keeps', async () => {
    const { runtime, registry, containerd } = subject;
    const image = smallImage('in two namespaces');
    const reference = await push(registry, 'two-namespaces', image);
    await pull(runtime, reference);
    await containerd.ctr('--namespace', 'elsewhere', 'images', 'pull', '--plain-http', reference);
    const [layer] = image.layers;
    const removal = await runtime.removeImage(image.configDigest, soon());
    const freed = removal.kind === 'removed' ? (removal.freed ?? []) : [];
    expect(freed.map(({ store, key }) => (key === layer?.digest ? 'the blob' : store))).toEqual(['snapshot']);
    const [left] = (await runtime.listLeftovers(new Set(['namespace']), soon())).filter(({ id }) => id === 'elsewhere');
    expect(left?.bytes).toBeGreaterThanOrEqual(layer?.blob.length ?? 0);
    await containerd.ctr('--namespace', 'elsewhere', 'images', 'rm', '--sync', reference);
  });

  it('pins with the label that the kubelet understands, and says on the record that the pin is ours', async () => {
    const { runtime, registry, containerd } = subject;
    const reference = await push(registry, 'pin-label', smallImage('pin label'));
    await pull(runtime, reference);
    const labels = () => containerd.ctr('images', 'ls', `name==${reference}`);
    await runtime.setPinned(reference, true, soon());
    expect(await labels()).toContain('io.cri-containerd.pinned=pinned');
    expect(await labels()).toContain('stevedore.dev/pinned=true');
    await runtime.setPinned(reference, false, soon());
    expect(await labels()).not.toContain('pinned');
    // The kubelet's pin has this one value: others are no pin, and nobody's business but their owner's.
    await containerd.ctr('images', 'label', reference, 'io.cri-containerd.pinned=by-somebody');
    await runtime.setPinned(reference, false, soon());
    expect(await labels()).toContain('io.cri-containerd.pinned=by-somebody');
  });

  it('loses its pin when the kubelet pulls the tag, and sets it again', async () => {
    const { runtime, registry, containerd } = subject;
    const image = smallImage('pulled by the kubelet');
    const reference = await push(registry, 'kubelet-pulls', image);
    await pull(runtime, reference);
    await runtime.setPinned(reference, true, soon());
    const kubelet = createCriRuntime({ endpoint: containerd.endpoint });
    try {
      await pull(kubelet, reference);
      expect(await findImage(runtime, image.configDigest)).toMatchObject({ pinnedNames: [], pinnedByOthers: false });
      await runtime.setPinned(reference, true, soon());
      const tellsPins = !/^1\.[0-6]\./.test(containerd.version);
      await eventually(async () => {
        expect(await findImage(kubelet, image.configDigest)).toMatchObject({ pinnedByOthers: tellsPins });
      });
    } finally {
      kubelet.close();
    }
  });
});
