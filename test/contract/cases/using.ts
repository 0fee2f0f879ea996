import { describe, expect, it } from 'vitest';
import {
  eventually,
  findContainer,
  idOf,
  present,
  pull,
  push,
  runnableImage,
  soon,
  trackContainers,
} from '../helpers.ts';
import type { Subject } from '../subject.ts';

const soonMs = 60_000;

function isRecent(at: number | undefined): boolean {
  return at !== undefined && Math.abs(at - Date.now()) < soonMs;
}

/** What a container tells of the use of its image. */
export function describeUsing(subject: () => Subject): void {
  const containers = trackContainers(subject);

  describe('containers', () => {
    it('are listed with their image from creation to the end', async () => {
      const { runtime } = subject();
      const { reference, id: imageId } = await present(subject(), 'container', runnableImage('container'));
      const expected = { imageIds: [imageId], imageName: reference };

      const created = await containers.create(reference);
      expect(await findContainer(runtime, created)).toMatchObject({ ...expected, state: 'created' });
      const id = await containers.run(reference);
      expect(await findContainer(runtime, id)).toMatchObject({ ...expected, state: 'running' });
      await containers.stop(id);
      expect(await findContainer(runtime, id)).toMatchObject({ ...expected, state: 'exited' });
      await containers.remove(id);
      expect(await findContainer(runtime, id)).toBeUndefined();
    });

    it('tell when they were created, started and finished', async () => {
      const { runtime, expected } = subject();
      const { reference } = await present(subject(), 'times', runnableImage('times'));
      const never = await findContainer(runtime, await containers.create(reference));
      expect(never).toMatchObject({ startedAt: undefined, finishedAt: undefined });
      expect(isRecent(never?.createdAt)).toBe(true);

      const id = await containers.run(reference);
      const running = await findContainer(runtime, id);
      expect(isRecent(running?.createdAt)).toBe(true);
      expect(isRecent(running?.startedAt)).toBe(expected.tellsStart);
      expect(running?.finishedAt).toBeUndefined();

      await containers.stop(id);
      const stopped = await findContainer(runtime, id);
      expect(stopped?.startedAt).toBe(running?.startedAt);
      expect(isRecent(stopped?.finishedAt)).toBe(true);
      expect(stopped?.finishedAt).toBeGreaterThanOrEqual(running?.startedAt ?? 0);
    });

    it('keep the image that they were made from when its tag moves to another one', async () => {
      const { runtime, registry } = subject();
      const before = await present(subject(), 'moving', runnableImage('moving before'));
      const id = await containers.run(before.reference);
      const after = runnableImage('moving after');
      await push(registry, 'moving', after);
      await pull(runtime, before.reference);
      await eventually(async () => {
        expect((await findContainer(runtime, id))?.imageIds).toContain(before.id);
      });
      const images = new Set([before.id, idOf(subject(), after)]);
      const others = (await findContainer(runtime, id))?.imageIds.filter((imageId) => !images.has(imageId));
      expect(others).toEqual([]);
    });

    it('tell the image of a container made from a digest', async () => {
      const { runtime, registry } = subject();
      const { image, id } = await present(subject(), 'made-by-digest', runnableImage('made by digest'));
      const name = `${registry.host}/contract/made-by-digest@${image.manifestDigest}`;
      const container = await findContainer(runtime, await containers.create(name));
      expect(container).toMatchObject({ imageIds: [id], imageName: name });
    });
  });

  describe("the runtime's own images", () => {
    it('are found: the one that sandboxes run, and no other', async () => {
      const { runtime, expected, sandboxImage } = subject();
      const { id: other } = await present(subject(), 'not-infrastructure', runnableImage('not infrastructure'));
      const images = await runtime.listImages(soon());
      const sandbox = images.find(({ tags }) => tags.includes(sandboxImage));
      expect(sandbox, `the sandbox image ${sandboxImage}`).toBeDefined();
      const found = await runtime.findInfrastructureImages(soon());
      // containerd 2 does not tell its name through the CRI, but pins it, which protects it as well.
      const pinnedInstead = expected.kind === 'cri' && sandbox?.pinnedByOthers === true;
      if (!pinnedInstead) expect(found).toContain(sandbox?.id);
      expect(found).not.toContain(other);
      const ids = new Set(images.map(({ id }) => id));
      expect([...found].filter((id) => !ids.has(id))).toEqual([]);
    });
  });
}
