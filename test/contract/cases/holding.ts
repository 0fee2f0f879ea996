import { afterEach, describe, expect, it } from 'vitest';
import { buildLayer, busyboxImage } from '../../harness/images.ts';
import {
  chainIdsOf,
  eventually,
  expectCannot,
  failureOf,
  findImage,
  idOf,
  pull,
  push,
  smallImage,
  soon,
} from '../helpers.ts';
import type { Subject } from '../subject.ts';

function runnableImage(seed: string) {
  return busyboxImage([buildLayer({ seed, sizeBytes: 1_000 })]);
}

/** Containers, removal, pins and names: what holds an image on the node, and what does not. */
export function describeHolding(subject: () => Subject): void {
  const started: string[] = [];

  afterEach(async () => {
    for (const id of started.splice(0)) await subject().containers.remove(id);
  });

  async function present(name: string, image = smallImage(name)) {
    const reference = await push(subject().registry, name, image);
    await pull(subject().runtime, reference);
    return { reference, image, id: idOf(subject(), image) };
  }

  async function run(reference: string): Promise<string> {
    const id = await subject().containers.run(reference);
    started.push(id);
    return id;
  }

  describe('containers', () => {
    it('are listed with their image from creation to the end', async () => {
      const { runtime, containers } = subject();
      const { reference, id: imageId } = await present('container', runnableImage('container'));
      const find = async (id: string) => (await runtime.listContainers(soon())).find((one) => one.id === id);

      const created = await containers.create(reference);
      started.push(created);
      expect(await find(created)).toMatchObject({ state: 'created', imageName: reference });
      const id = await run(reference);
      const running = await find(id);
      expect(running).toMatchObject({ state: 'running', imageName: reference });
      expect([imageId, undefined]).toContain(running?.imageId);
      expect(Math.abs((running?.createdAt ?? 0) - Date.now())).toBeLessThan(60_000);
      await containers.stop(id);
      await eventually(async () => expect(await find(id)).toMatchObject({ state: 'exited', imageName: reference }));
      await containers.remove(id);
      started.splice(started.indexOf(id), 1);
      expect(await find(id)).toBeUndefined();
    });
  });

  describe('removing', () => {
    it('takes all names and layers of the image, and says absent the second time', async () => {
      const { runtime, registry } = subject();
      const { image, id } = await present('removed');
      await pull(runtime, await push(registry, 'removed', image, 'also'));
      await pull(runtime, await push(registry, 'removed-too', image));
      expect(await runtime.removeImage(id, soon())).toBe('removed');
      expect(await findImage(runtime, id)).toBeUndefined();
      await eventually(async () => {
        const { chainIds, blobs } = await runtime.listLayers(soon());
        expect(chainIdsOf(image).filter((chainId) => chainIds.has(chainId))).toEqual([]);
        expect(image.layers.filter((layer) => blobs.has(layer.digest))).toEqual([]);
      });
      expect(await runtime.removeImage(id, soon())).toBe('absent');
    });

    it('says absent of what was never there', async () => {
      expect(await subject().runtime.removeImage(`sha256:${'0'.repeat(64)}`, soon())).toBe('absent');
    });

    it('leaves the layers that another image needs', async () => {
      const { runtime } = subject();
      const base = runnableImage('kept base');
      const top = busyboxImage([...base.layers.slice(1), buildLayer({ seed: 'kept top', sizeBytes: 1_000 })]);
      await present('kept-base', base);
      const { id, reference } = await present('kept-top', top);
      expect(await runtime.removeImage(idOf(subject(), base), soon())).toBe('removed');
      expect(await findImage(runtime, id)).toMatchObject({ whole: true });
      await run(reference);
    });

    it.each(['running', 'exited'] as const)('of an image of a container that is %s: as declared', async (state) => {
      const { runtime, expected, containers, tag } = subject();
      const { id: imageId, reference } = await present(`held-${state}`, runnableImage(`held ${state}`));
      const alias = `docker.io/library/contract-held-${state}:1`;
      await tag(reference, alias);
      const id = await run(reference);
      if (state === 'exited') {
        await containers.stop(id);
        await eventually(async () => {
          const listed = await runtime.listContainers(soon());
          expect(listed.find((container) => container.id === id)?.state).toBe('exited');
        });
      }
      expect(await runtime.removeImage(imageId, soon())).toBe(expected.removalInUse);
      const left = await findImage(runtime, imageId);
      const names = expected.removalInUse === 'in_use' ? [reference, alias] : [];
      expect(left?.tags.toSorted() ?? []).toEqual(names.toSorted());
    });
  });

  describe('pins', () => {
    it('hold until they are taken back, and are lost when the tag is pulled again', async () => {
      const { runtime, expected } = subject();
      const { reference, id } = await present('pinned');
      const pinned = async () => (await findImage(runtime, id))?.pinned;
      if (!expected.capabilities.pin) {
        await expectCannot(runtime.setPinned(reference, true, soon()));
        return expect(await pinned()).toBe(false);
      }
      await runtime.setPinned(reference, true, soon());
      await eventually(async () => expect(await pinned()).toBe(true));
      await runtime.setPinned(reference, false, soon());
      await eventually(async () => expect(await pinned()).toBe(false));
      await runtime.setPinned(reference, true, soon());
      await pull(runtime, reference);
      return eventually(async () => expect(await pinned()).toBe(false));
    });

    it('cannot be set on a name that is not there', async () => {
      const { runtime, registry } = subject();
      const { code } = await failureOf(runtime.setPinned(`${registry.host}/contract/nowhere:1`, true, soon()));
      expect(['not_found', 'runtime']).toContain(code);
    });
  });

  describe('names', () => {
    it('are added where the runtime can', async () => {
      const { runtime, registry, expected } = subject();
      const { reference, id } = await present('named');
      const alias = `${registry.host}/contract/alias:1`;
      if (!expected.capabilities.alias) return expectCannot(runtime.addName(reference, alias, soon()));
      await runtime.addName(reference, alias, soon());
      await eventually(async () => {
        expect((await findImage(runtime, id))?.tags.toSorted()).toEqual([alias, reference].toSorted());
      });
      return undefined;
    });

    it('cannot be added to what is not there', async () => {
      const { runtime, registry } = subject();
      const nowhere = `${registry.host}/contract/nowhere:1`;
      const { code } = await failureOf(runtime.addName(nowhere, `${registry.host}/contract/alias:2`, soon()));
      expect(['not_found', 'runtime']).toContain(code);
    });
  });

  describe('an image with a part missing', () => {
    it.each(['config', 'layer'] as const)(
      '(%s) is not whole where the runtime can tell; a pull repairs it',
      async (part) => {
        const { runtime, expected, damage } = subject();
        const { reference, image, id } = await present(`damaged-${part}`);
        if (damage === undefined) return expect(expected.seesDamage).toBe(false);
        await damage(reference, image, part);
        await eventually(async () => {
          const shown = await findImage(runtime, id);
          expect(shown === undefined || !shown.whole).toBe(expected.seesDamage);
        });
        expect(await pull(runtime, reference)).toBe(id);
        expect(await findImage(runtime, id)).toMatchObject({ whole: true, tags: [reference] });
        const { chainIds } = await runtime.listLayers(soon());
        return expect(chainIdsOf(image).every((chainId) => chainIds.has(chainId))).toBe(expected.layers.chainIds);
      },
    );
  });
}
