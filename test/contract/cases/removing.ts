import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { buildLayer, busyboxImage } from '../../harness/images.ts';
import {
  chainIdsOf,
  eventually,
  findImage,
  idOf,
  namesOf,
  present,
  pull,
  push,
  runnableImage,
  smallImage,
  soon,
  trackContainers,
} from '../helpers.ts';
import type { Present } from '../helpers.ts';
import type { Subject } from '../subject.ts';

type State = 'created' | 'running' | 'exited';

interface Use {
  readonly state: State;
  readonly name: 'tag' | 'second tag' | 'digest';
}

const uses: readonly Use[] = [
  { state: 'created', name: 'tag' },
  { state: 'running', name: 'tag' },
  { state: 'exited', name: 'tag' },
  { state: 'running', name: 'second tag' },
  { state: 'created', name: 'digest' },
];

function nowhere(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

export function describeRemoving(subject: () => Subject): void {
  const containers = trackContainers(subject);

  /** An image with a tag, a second tag in another repository, and a digest name. */
  async function presentTwice(name: string): Promise<Present & { readonly alias: string }> {
    const one = await present(subject(), name, runnableImage(name));
    const alias = `docker.io/library/contract-${name}:1`;
    await subject().tag(one.reference, alias);
    await eventually(async () => expect(await namesOf(subject().runtime, one.id)).toContain(alias));
    return { ...one, alias };
  }

  async function use(reference: string, state: State): Promise<void> {
    const id = state === 'created' ? await containers.create(reference) : await containers.run(reference);
    if (state === 'exited') await containers.stop(id);
  }

  function isMade(reference: string): Promise<boolean> {
    return containers.create(reference).then(
      () => true,
      () => false,
    );
  }

  async function remove(imageId: string) {
    return (await subject().runtime.removeImage(imageId, soon())).kind;
  }

  describe('removing', () => {
    it('takes all names and layers of the image, and says absent the second time', async () => {
      const { runtime, registry, leftovers } = subject();
      const { image, id } = await present(subject(), 'removed');
      await pull(runtime, await push(registry, 'removed', image, 'also'));
      await pull(runtime, await push(registry, 'removed-too', image));
      expect(await remove(id)).toBe('removed');
      expect(await findImage(runtime, id)).toBeUndefined();
      expect((await leftovers()).leases).toEqual([]);
      await eventually(async () => {
        const { chainIds, blobs } = await runtime.listLayers(soon());
        expect(chainIdsOf(image).filter((chainId) => chainIds.has(chainId))).toEqual([]);
        expect(image.layers.filter((layer) => blobs.has(layer.digest))).toEqual([]);
      });
      expect(await runtime.removeImage(id, soon())).toEqual({ kind: 'absent' });
    });

    it('says absent of what was never there', async () => {
      expect(await subject().runtime.removeImage(nowhere('0'), soon())).toEqual({ kind: 'absent' });
    });

    it('leaves the layers that another image needs', async () => {
      const { runtime } = subject();
      const base = runnableImage('kept base');
      const top = busyboxImage([...base.layers.slice(1), buildLayer({ seed: 'kept top', sizeBytes: 1_000 })]);
      await present(subject(), 'kept-base', base);
      const { id, reference } = await present(subject(), 'kept-top', top);
      expect(await remove(idOf(subject(), base))).toBe('removed');
      expect(await findImage(runtime, id)).toMatchObject({ whole: true });
      await containers.run(reference);
    });

    it.each(uses)('of an image of a container, $state, made by its $name: as declared', async ({ state, name }) => {
      const { runtime, registry, expected, leftovers } = subject();
      const slug = `held-${state}-${name.replaceAll(' ', '-')}`;
      const { reference, image, id, alias } = await presentTwice(slug);
      const digest = `${registry.host}/contract/${slug}@${image.manifestDigest}`;
      const before = await namesOf(runtime, id);
      await use({ tag: reference, 'second tag': alias, digest }[name], state);
      expect(await remove(id)).toBe(expected.removalInUse);
      expect(await namesOf(runtime, id)).toEqual(expected.removalInUse === 'in_use' ? before : []);
      expect((await leftovers()).leases).toEqual([]);
      if (expected.removalInUse !== 'in_use') return;
      expect(await findImage(runtime, id)).toMatchObject({ whole: true });
      await use(reference, 'created');
    });

    it('of an image of a container whose tag has moved to another image: as declared', async () => {
      const { runtime, registry, expected } = subject();
      const before = await present(subject(), 'held-moved', runnableImage('held moved before'));
      await use(before.reference, 'running');
      await push(registry, 'held-moved', runnableImage('held moved after'));
      await pull(runtime, before.reference);
      const names = await namesOf(runtime, before.id);
      expect(await remove(before.id)).toBe(expected.removalInUse);
      if (expected.removalInUse === 'in_use') {
        expect(await findImage(runtime, before.id)).toMatchObject({ whole: true });
        expect(await namesOf(runtime, before.id)).toEqual(names);
      }
    });

    it('succeeds when the last container is gone', async () => {
      const { reference, id } = await present(subject(), 'let-go', runnableImage('let go'));
      const container = await containers.run(reference);
      await containers.stop(container);
      await containers.remove(container);
      expect(await remove(id)).toBe('removed');
    });

    it.each([-80, -40, -20, -10, 0, 20, 80])(
      'and a container made %i ms after it began: never a container without its image, or an image without a name',
      async (offsetMs) => {
        const { runtime, expected } = subject();
        // On a plain CRI runtime nobody looks: this is the window that the port speaks of.
        if (expected.removalInUse !== 'in_use') return;
        const { reference, id } = await presentTwice(`raced${offsetMs}`);
        const before = await namesOf(runtime, id);
        const [made, answer] = await Promise.all([
          sleep(Math.max(0, offsetMs)).then(() => isMade(reference)),
          sleep(Math.max(0, -offsetMs)).then(() => remove(id)),
        ]);
        const names = await namesOf(runtime, id);
        const whole = { answer: 'in_use', names: before };
        expect({ answer, names }).toEqual(made ? whole : answer === 'removed' ? { answer, names: [] } : whole);
      },
    );

    it.each([0, 2, 5, 10, 20, 50, 100])('aborted after %i ms takes all names or none', async (delayMs) => {
      const { runtime, leftovers } = subject();
      const { id } = await presentTwice(`aborted-${delayMs}`);
      const before = await namesOf(runtime, id);
      const reason = new Error('the agent stops');
      const controller = new AbortController();
      const removal = runtime.removeImage(id, controller.signal).then(
        ({ kind }) => kind,
        (error: unknown) => error,
      );
      await sleep(delayMs);
      controller.abort(reason);
      const answer = await removal;
      expect(['removed', reason]).toContain(answer);
      expect(await namesOf(runtime, id)).toEqual(answer === 'removed' ? [] : before);
      expect((await leftovers()).leases).toEqual([]);
    });

    it('takes nothing when the signal has fired already', async () => {
      const { runtime } = subject();
      const { id, reference } = await present(subject(), 'not-removed');
      const reason = new Error('too late');
      await expect(runtime.removeImage(id, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect((await findImage(runtime, id))?.tags).toEqual([reference]);
    });

    it('gives way to a later pull', async () => {
      const { runtime } = subject();
      const { id, reference } = await present(subject(), 'pulled-again');
      expect(await remove(id)).toBe('removed');
      expect(await pull(runtime, reference)).toBe(id);
      expect(await findImage(runtime, id)).toMatchObject({ tags: [reference], whole: true });
    });
  });

  describe('undoing removals', () => {
    it('has nothing to do where none was cut off', async () => {
      const { runtime } = subject();
      const { id } = await presentTwice('whole');
      const names = await namesOf(runtime, id);
      expect(await runtime.undoRemovals(undefined, soon())).toEqual([]);
      expect(await runtime.undoRemovals({ imageId: id, names }, soon())).toEqual([]);
      expect(await namesOf(runtime, id)).toEqual(names);
    });

    it('cannot bring back an image that is gone', async () => {
      const { runtime } = subject();
      const { id, reference } = await present(subject(), 'gone-for-good');
      expect(await remove(id)).toBe('removed');
      expect(await runtime.undoRemovals({ imageId: id, names: [reference] }, soon())).toEqual([]);
      expect(await findImage(runtime, id)).toBeUndefined();
    });

    it('puts back a tag that is missing where the caller alone remembers it, and takes none from another image', async () => {
      const { runtime, expected, untag, tag } = subject();
      const { id, reference, alias } = await presentTwice('half-gone');
      const taken = 'docker.io/library/contract-taken:1';
      const other = await present(subject(), 'the-other', smallImage('the other'));
      await tag(other.reference, taken);
      await untag(alias);
      await eventually(async () => expect(await namesOf(runtime, id)).not.toContain(alias));
      const begun = { imageId: id, names: [reference, alias, taken] };
      expect(await runtime.undoRemovals(begun, soon())).toEqual(expected.undoesBegun ? [id] : []);
      const tags = expected.undoesBegun ? [reference, alias] : [reference];
      expect((await findImage(runtime, id))?.tags.toSorted()).toEqual(tags.toSorted());
      expect(await namesOf(runtime, other.id)).toContain(taken);
    });
  });
}
