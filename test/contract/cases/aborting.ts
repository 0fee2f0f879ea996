import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { PullProgress } from '../../../agent/runtime/runtime.ts';
import { buildImage, buildLayer } from '../../harness/images.ts';
import type { BuiltImage } from '../../harness/images.ts';
import {
  eventually,
  failureOf,
  findImage,
  idOf,
  pull,
  push,
  smallImage,
  soon,
  toExpected,
  toRequest,
} from '../helpers.ts';
import type { ContractRegistry, Subject } from '../subject.ts';

const layerBytes = 4_000_000;
const slowBytesPerSecond = 3_000_000;
/** What was sent and not stored: containerd writes by the MiB, and the rest is what sockets had buffered. */
const inFlightBytes = 1_400_000;

function bigImage(seed: string): BuiltImage {
  return buildImage({ layers: [buildLayer({ seed, sizeBytes: layerBytes })] });
}

function layerOf(image: BuiltImage): string {
  return image.layers[0]?.digest ?? '';
}

async function abortMidway(subject: Subject, registry: ContractRegistry, reference: string, image: BuiltImage) {
  const reason = new Error('no longer desired');
  const controller = new AbortController();
  registry.throttle(slowBytesPerSecond);
  try {
    const pulling = subject.runtime.pull(toRequest(reference), controller.signal);
    const outcome = pulling.then(
      () => new Error('the pull ended before it was aborted'),
      (error: unknown) => error,
    );
    await eventually(() => expect(registry.bytesOf(layerOf(image))).toBeGreaterThan(layerBytes / 2));
    controller.abort(reason);
    const abortedAt = Date.now();
    expect(await outcome).toBe(reason);
    expect(Date.now() - abortedAt).toBeLessThan(2_000);
    await sleep(subject.settleMs);
    const soonAfter = registry.bytesOf(layerOf(image));
    await sleep(subject.settleMs + 100);
    expect(registry.bytesOf(layerOf(image)), 'bytes that the runtime still fetches after the abort').toBe(soonAfter);
    expect(soonAfter).toBeLessThan(image.layers[0]?.blob.length ?? 0);
    return soonAfter;
  } finally {
    registry.throttle(undefined);
  }
}

export function describeAborting(subject: () => Subject): void {
  describe('aborting a pull', () => {
    afterEach(async () => {
      subject().registry.throttle(undefined);
      await subject().runtime.discardPartialPulls(new Set(), soon());
    });

    it('asks the runtime for nothing when the signal has fired already', async () => {
      const { runtime, registry } = subject();
      const image = smallImage('never begun');
      const reference = await push(registry, 'never-begun', image);
      const reason = new Error('too late');
      await expect(runtime.pull(toRequest(reference), AbortSignal.abort(reason))).rejects.toBe(reason);
      await expect(runtime.listImages(AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await findImage(runtime, idOf(subject(), image))).toBeUndefined();
    });

    it('stops the runtime, leaves no image, and a retry fetches what was missing', async () => {
      const { runtime, registry, expected, leftovers } = subject();
      const image = bigImage('aborted');
      const reference = await push(registry, 'aborted', image);
      const fetched = await abortMidway(subject(), registry, reference, image);
      expect(await findImage(runtime, idOf(subject(), image))).toBeUndefined();
      const seen: PullProgress[] = [];
      const onProgress = (progress: PullProgress) => seen.push(progress);
      const pulledAgain = await pull(runtime, reference, { expected: toExpected(image), onProgress });
      expect(pulledAgain).toBe(idOf(subject(), image));
      if (expected.capabilities.resume) expect(seen[0]?.downloadedBytes).toBeGreaterThan(fetched - inFlightBytes);
      const again = registry.bytesOf(layerOf(image)) - fetched;
      if (expected.capabilities.resume) expect(again).toBeLessThan(layerBytes - fetched + inFlightBytes);
      else if (expected.containerdImageStore !== true) {
        expect(again, 'without resume all of it comes again').toBeGreaterThanOrEqual(layerBytes);
      }
      expect((await leftovers()).leases, 'leases after a pull that is whole').toEqual([]);
    });

    it('keeps what was fetched for the references named, and lets go of the rest', async () => {
      const { runtime, registry, expected, leftovers } = subject();
      const image = bigImage('discarded');
      const reference = await push(registry, 'discarded', image);
      await abortMidway(subject(), registry, reference, image);
      await runtime.discardPartialPulls(new Set([reference]), soon());
      const kept = await leftovers();
      expect(kept.leases.length > 0).toBe(expected.capabilities.resume);
      expect(kept.ingests.length > 0).toBe(expected.capabilities.resume);
      await runtime.discardPartialPulls(new Set(), soon());
      await eventually(async () => expect(await leftovers()).toEqual({ leases: [], ingests: [] }));
    });

    it('leaves what goes with the traces', async () => {
      const { runtime, registry, expected, leftovers } = subject();
      const image = bigImage('traced');
      const reference = await push(registry, 'traced', image);
      await abortMidway(subject(), registry, reference, image);
      expect((await runtime.removeTraces('leases', soon())) > 0).toBe(expected.capabilities.resume);
      await eventually(async () => expect(await leftovers()).toEqual({ leases: [], ingests: [] }));
    });

    it('does not disturb a pull that runs when partial pulls are discarded', async () => {
      const { runtime, registry } = subject();
      const image = bigImage('undisturbed');
      const reference = await push(registry, 'undisturbed', image);
      registry.throttle(slowBytesPerSecond);
      const pulling = pull(runtime, reference);
      await eventually(() => expect(registry.bytesOf(layerOf(image))).toBeGreaterThan(0));
      await runtime.discardPartialPulls(new Set(), soon());
      expect(await pulling).toBe(idOf(subject(), image));
      expect(registry.bytesOf(layerOf(image))).toBe(image.layers[0]?.blob.length);
    });

    it('ends one of two pulls without hurting the other', async () => {
      const { runtime, registry } = subject();
      const layer = buildLayer({ seed: 'one of two', sizeBytes: layerBytes });
      const one = buildImage({ layers: [layer], labels: { image: 'one' } });
      const two = buildImage({ layers: [layer], labels: { image: 'two' } });
      const first = await push(registry, 'first-of-two', one);
      const second = await push(registry, 'second-of-two', two);
      registry.throttle(slowBytesPerSecond);
      const controller = new AbortController();
      const aborted = runtime.pull(toRequest(first), controller.signal).catch((error: unknown) => error);
      await eventually(() => expect(registry.bytesOf(layer.digest)).toBeGreaterThan(layerBytes / 4));
      const other = pull(runtime, second);
      await sleep(subject().settleMs / 4);
      controller.abort(new Error('only this one'));
      expect(await aborted).toBe(controller.signal.reason);
      expect(await other).toBe(idOf(subject(), two));
    });
  });

  describe('a registry that fails', () => {
    afterEach(async () => {
      const { registry, runtime } = subject();
      registry.throttle(undefined);
      registry.answer(undefined);
      await registry.start();
      await runtime.discardPartialPulls(new Set(), soon());
    });

    it('is a network failure when nobody answers', async () => {
      const { runtime, registry } = subject();
      const reference = await push(registry, 'gone', smallImage('gone'));
      await registry.stop();
      expect(await failureOf(pull(runtime, reference))).toMatchObject({ code: 'network' });
    });

    it('ends a pull midway with network or upstream, and not with a hang; later the pull succeeds', async () => {
      const { runtime, registry } = subject();
      const image = bigImage('gone midway');
      const reference = await push(registry, 'gone-midway', image);
      registry.throttle(slowBytesPerSecond);
      const pulling = failureOf(pull(runtime, reference));
      await eventually(() => expect(registry.bytesOf(layerOf(image))).toBeGreaterThan(layerBytes / 4));
      await registry.stop();
      expect(['network', 'upstream']).toContain((await pulling).code);
      registry.throttle(undefined);
      await registry.start();
      expect(await pull(runtime, reference)).toBe(idOf(subject(), image));
    });

    it.each([
      { status: 500, code: 'upstream' },
      { status: 503, code: 'upstream' },
      { status: 429, code: 'rate_limited' },
      { status: 403, code: 'auth' },
    ])('is $code when it answers $status', async ({ status, code }) => {
      const { runtime, registry } = subject();
      const reference = await push(registry, `answer-${status}`, smallImage(`answer ${status}`));
      registry.answer(status);
      expect(await failureOf(pull(runtime, reference))).toMatchObject({ code });
    });
  });
}
