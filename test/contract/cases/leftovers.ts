import { describe, expect, it } from 'vitest';
import { containerdLeftoverKinds, dockerLeftoverKinds, leftoverKinds } from '../../../agent/core/leftovers.ts';
import type { Leftover } from '../../../agent/runtime/runtime.ts';
import { buildImage, buildLayer } from '../../harness/images.ts';
import { chainIdsOf, eventually, present, pull, push, runnableImage, soon, trackContainers } from '../helpers.ts';
import type { MadeLeftover, Subject } from '../subject.ts';

const all = new Set(leftoverKinds);

function tells({ id, name }: Leftover, word: string): boolean {
  return id.includes(word) || name.includes(word);
}

export function describeLeftovers(subject: () => Subject): void {
  const containers = trackContainers(subject);

  async function list(): Promise<readonly Leftover[]> {
    return await subject().runtime.listLeftovers(all, soon());
  }

  async function find({ kind, name }: MadeLeftover): Promise<Leftover | undefined> {
    return (await list()).find((leftover) => leftover.kind === kind && [leftover.id, leftover.name].includes(name));
  }

  describe('leftovers', () => {
    it('are of the kinds asked for, and of those that the runtime can have', async () => {
      const { runtime, expected } = subject();
      expect(await runtime.listLeftovers(new Set(), soon())).toEqual([]);
      const foreign = expected.kind === 'docker' ? containerdLeftoverKinds : dockerLeftoverKinds;
      expect(await runtime.listLeftovers(new Set(foreign), soon())).toEqual([]);
      if (expected.kind === 'cri') expect(await list()).toEqual([]);
    });

    it('made by hand are found, removed one by one, and then absent; a namespace stays', async () => {
      const { runtime, makeLeftovers } = subject();
      for (const made of await makeLeftovers()) {
        const leftover = await find(made);
        if (leftover === undefined) throw new Error(`${made.kind} ${made.name} is not listed`);
        expect(leftover.bytes ?? 0).toBeGreaterThanOrEqual(0);
        expect(leftover.unusedSince ?? 0).toBeLessThanOrEqual(Date.now() + 1_000);
        const only = await runtime.listLeftovers(new Set([made.kind]), soon());
        expect(only).toContainEqual(leftover);
        expect(only.filter(({ kind }) => kind !== made.kind)).toEqual([]);
        if (made.kind === 'namespace') {
          expect(await runtime.removeLeftover(leftover, soon())).toBe('in_use');
          expect(await find(made)).toBeDefined();
          continue;
        }
        expect(await runtime.removeLeftover(leftover, soon())).toBe('removed');
        expect(await find(made), `${made.kind} after its removal`).toBeUndefined();
        expect(await runtime.removeLeftover(leftover, soon())).toBe('absent');
      }
    });

    it('never are what an image or a container stands on', async () => {
      const { expected } = subject();
      const { reference, image } = await present(subject(), 'no-leftover', runnableImage('no leftover'));
      const created = await containers.create(reference);
      const running = await containers.run(reference);
      const exited = await containers.run(reference);
      await containers.stop(exited);
      const found = await list();
      const words = [...chainIdsOf(image), ...image.layers.map(({ digest }) => digest), running, created, exited];
      const listed = words.filter((word) => found.some((leftover) => tells(leftover, word)));
      // A container that does not run is the one thing that Docker lists: removing it is a matter of its own option.
      const stopped = expected.kind === 'docker' ? [created, exited] : [];
      expect(listed.filter((word) => !stopped.includes(word))).toEqual([]);
    });

    it('never are what a pull works on', async () => {
      const { runtime, registry } = subject();
      const layer = buildLayer({ seed: 'no leftover yet', sizeBytes: 3_000_000 });
      const reference = await push(registry, 'being-pulled', buildImage({ layers: [layer] }));
      registry.throttle(2_000_000);
      try {
        const pulling = pull(runtime, reference);
        await eventually(() => expect(registry.bytesOf(layer.digest)).toBeGreaterThan(500_000));
        const found = await list();
        expect(found.filter((leftover) => leftover.kind === 'ingest' || tells(leftover, layer.digest))).toEqual([]);
        await pulling;
      } finally {
        registry.throttle(undefined);
      }
    });
  });
}
