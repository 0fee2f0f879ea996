import { afterEach, describe, expect, it } from 'vitest';
import { leftoverKinds } from '../../../agent/core/leftovers.ts';
import type { RuntimeEvent } from '../../../agent/runtime/runtime.ts';
import { buildImage, buildLayer, busyboxImage } from '../../harness/images.ts';
import {
  eventually,
  expectCannot,
  expectUnavailable,
  idOf,
  pull,
  push,
  smallImage,
  soon,
  toRequest,
} from '../helpers.ts';
import type { Subject } from '../subject.ts';

/** Collects events until it is stopped; `ended` says how the stream ended. */
function collect(subject: Subject) {
  const controller = new AbortController();
  const events: RuntimeEvent[] = [];
  const run = async (): Promise<'returned' | { readonly error: unknown }> => {
    try {
      for await (const event of subject.runtime.watch(controller.signal)) events.push(event);
      return 'returned';
    } catch (error) {
      return { error };
    }
  };
  return { events, ended: run(), stop: () => controller.abort() };
}

function toWords(event: RuntimeEvent): string {
  return `${event.kind} ${event.action} ${event.kind === 'image' ? event.name : event.containerId}`;
}

async function readAll(events: AsyncIterable<RuntimeEvent>): Promise<RuntimeEvent[]> {
  const read: RuntimeEvent[] = [];
  for await (const event of events) read.push(event);
  return read;
}

/** Subscribing takes the runtime a moment that nothing announces: events are made until the first one arrives. */
async function collectSurely(subject: Subject, reference: string) {
  const collected = collect(subject);
  let number = 0;
  await eventually(async () => {
    number += 1;
    await subject.tag(reference, `docker.io/library/contract-poke-${number}:1`);
    expect(collected.events.length).toBeGreaterThan(0);
  });
  return collected;
}

/** Events, and the runtime going away and coming back. */
export function describeLiving(subject: () => Subject): void {
  describe('events', () => {
    it('tell of images and containers, and end when the signal fires', async () => {
      const { runtime, registry, containers, expected } = subject();
      const reference = await push(registry, 'events', smallImage('events'));
      await pull(runtime, reference);
      if (!expected.capabilities.events) return expectCannot(readAll(runtime.watch(soon())));
      const { events, ended, stop } = await collectSurely(subject(), reference);

      const image = busyboxImage([buildLayer({ seed: 'event', sizeBytes: 1_000 })]);
      const watched = await push(registry, 'watched', image);
      await pull(runtime, watched);
      const id = await containers.run(watched);
      await containers.stop(id);
      await containers.remove(id);
      await runtime.removeImage(idOf(subject(), image), soon());
      const wanted = [
        `image add ${watched}`,
        ...['create', 'start', 'exit', 'delete'].map((action) => `container ${action} ${id}`),
        `image remove ${expected.tellsRemovedNames ? watched : idOf(subject(), image)}`,
      ];
      await eventually(() => expect(events.map(toWords)).toEqual(expect.arrayContaining(wanted)));
      expect(events).toContainEqual({ kind: 'container', action: 'create', containerId: id, image: watched });
      const told = events.flatMap((event) => (event.kind === 'container' ? [event.image] : []));
      expect(told.filter((name) => name !== watched && name !== undefined)).toEqual([]);
      stop();
      return expect(await ended).toBe('returned');
    });

    it('need no work when the signal has fired already', async () => {
      const { runtime, expected } = subject();
      if (expected.capabilities.events) expect(await readAll(runtime.watch(AbortSignal.abort()))).toEqual([]);
    });
  });

  describe('a runtime that goes', () => {
    afterEach(() => subject().startRuntime());

    it('makes every method fail soon with runtime/unavailable, and the same object works when it is back', async () => {
      const { runtime, registry, expected, stopRuntime, startRuntime } = subject();
      const image = smallImage('before it went');
      const reference = await push(registry, 'before-it-went', image);
      await pull(runtime, reference);
      await stopRuntime();
      const wentAt = Date.now();
      await expectUnavailable(runtime.info(soon()));
      await expectUnavailable(runtime.listImages(soon()));
      await expectUnavailable(runtime.listContainers(soon()));
      if (expected.layers.chainIds) await expectUnavailable(runtime.listLayers(soon()));
      if (expected.capabilities.resume) await expectUnavailable(runtime.discardPartialPulls(new Set(), soon()));
      if (expected.capabilities.pin) await expectUnavailable(runtime.setPinned(reference, true, soon()));
      if (expected.capabilities.alias)
        await expectUnavailable(runtime.addName(reference, `${reference}-alias`, soon()));
      const unasked = `sha256:${'2'.repeat(64)}`;
      await expectUnavailable(runtime.listImageParts(soon()));
      await expectUnavailable(runtime.readImageDetails([unasked], soon()));
      await expectUnavailable(runtime.findInfrastructureImages(soon()));
      if (expected.kind !== 'cri') {
        await expectUnavailable(runtime.undoRemovals({ imageId: unasked, names: [] }, soon()));
        await expectUnavailable(runtime.listLeftovers(new Set(leftoverKinds), soon()));
      }
      await expectUnavailable(pull(runtime, reference));
      await expectUnavailable(runtime.removeImage(idOf(subject(), image), soon()));
      expect(Date.now() - wentAt).toBeLessThan(6_000);
      await startRuntime();
      const backAt = Date.now();
      await eventually(() => runtime.info(soon()));
      expect(Date.now() - backAt).toBeLessThan(2_000);
      const images = await runtime.listImages(soon());
      expect(images.find((shown) => shown.id === idOf(subject(), image))).toMatchObject({
        tags: [reference],
        whole: true,
      });
      expect(await pull(runtime, await push(registry, 'after-it-came', smallImage('after it came')))).toMatch(
        /^sha256:/,
      );
    });

    it('breaks the event stream and the pull in flight', async () => {
      const { runtime, registry, expected, stopRuntime } = subject();
      const present = await push(registry, 'stays', smallImage('stays'));
      await pull(runtime, present);
      const watcher = expected.capabilities.events ? await collectSurely(subject(), present) : undefined;
      const layer = buildLayer({ seed: 'cut', sizeBytes: 3_000_000 });
      const reference = await push(registry, 'cut', buildImage({ layers: [layer] }));
      registry.throttle(1_000_000);
      try {
        const pulling = runtime.pull(toRequest(reference), soon());
        const outcome = expectUnavailable(pulling);
        await eventually(() => expect(registry.bytesOf(layer.digest)).toBeGreaterThan(0));
        await stopRuntime();
        await outcome;
      } finally {
        registry.throttle(undefined);
      }
      if (watcher !== undefined) await expectUnavailable(watcher.ended.then((end) => Promise.reject(toError(end))));
    });
  });
}

function toError(end: 'returned' | { readonly error: unknown }): unknown {
  return end === 'returned' ? new Error('the stream ended without an error') : end.error;
}
