import { describe, expect, it } from 'vitest';
import {
  eventually,
  expectCannot,
  failureOf,
  findImage,
  present,
  pull,
  runnableImage,
  soon,
  trackContainers,
} from '../helpers.ts';
import type { Subject } from '../subject.ts';

export function describePinning(subject: () => Subject): void {
  const containers = trackContainers(subject);

  async function pinsOf(imageId: string) {
    const image = await findImage(subject().runtime, imageId);
    return image === undefined ? undefined : { pinnedNames: image.pinnedNames, pinnedByOthers: image.pinnedByOthers };
  }

  const none = { pinnedNames: [], pinnedByOthers: false };

  describe('pins', () => {
    it('are ours until we take them back, lost when the tag is pulled again, and set again', async () => {
      const { runtime, expected } = subject();
      const { reference, id } = await present(subject(), 'pinned');
      expect(await pinsOf(id)).toEqual(none);
      if (!expected.capabilities.pin) {
        await expectCannot(runtime.setPinned(reference, true, soon()));
        return expect(await pinsOf(id)).toEqual(none);
      }
      const ours = { pinnedNames: [reference], pinnedByOthers: false };
      await runtime.setPinned(reference, true, soon());
      expect(await pinsOf(id)).toEqual(ours);
      await runtime.setPinned(reference, true, soon());
      expect(await pinsOf(id)).toEqual(ours);
      await runtime.setPinned(reference, false, soon());
      expect(await pinsOf(id)).toEqual(none);
      await runtime.setPinned(reference, true, soon());
      await pull(runtime, reference);
      expect(await pinsOf(id), 'the pin after a pull of the same tag').toEqual(none);
      await runtime.setPinned(reference, true, soon());
      return expect(await pinsOf(id)).toEqual(ours);
    });

    it('are of one name, a tag or a digest', async () => {
      const { runtime, registry, expected, tag } = subject();
      if (!expected.capabilities.pin) return;
      const { reference, image, id } = await present(subject(), 'pinned-names');
      const digest = `${registry.host}/contract/pinned-names@${image.manifestDigest}`;
      const alias = 'docker.io/library/contract-pinned:1';
      await tag(reference, alias);
      await runtime.setPinned(digest, true, soon());
      await runtime.setPinned(alias, true, soon());
      expect((await pinsOf(id))?.pinnedNames.toSorted()).toEqual([alias, digest].toSorted());
      await runtime.setPinned(reference, false, soon());
      await runtime.setPinned(alias, false, soon());
      expect(await pinsOf(id)).toEqual({ pinnedNames: [digest], pinnedByOthers: false });
      expect(await findImage(runtime, id)).toMatchObject({ tags: [alias, reference].toSorted(), whole: true });
    });

    it('of somebody else are told, and left alone whichever is asked for', async () => {
      const { runtime, expected, pinByOther } = subject();
      if (pinByOther === undefined) return;
      const { reference, id } = await present(subject(), 'pinned-by-other');
      await pinByOther(reference);
      const theirs = { pinnedNames: [], pinnedByOthers: true };
      await eventually(async () => expect(await pinsOf(id)).toEqual(theirs));
      if (!expected.capabilities.pin) return expectCannot(runtime.setPinned(reference, false, soon()));
      await runtime.setPinned(reference, true, soon());
      expect(await pinsOf(id)).toEqual(theirs);
      await runtime.setPinned(reference, false, soon());
      return expect(await pinsOf(id)).toEqual(theirs);
    });

    it('of ours and of somebody else can be on one image, under two names', async () => {
      const { runtime, expected, pinByOther, tag } = subject();
      if (pinByOther === undefined || !expected.capabilities.pin) return;
      const { reference, id } = await present(subject(), 'pinned-by-both');
      const alias = 'docker.io/library/contract-pinned-by-both:1';
      await tag(reference, alias);
      await pinByOther(alias);
      await runtime.setPinned(reference, true, soon());
      expect(await pinsOf(id)).toEqual({ pinnedNames: [reference], pinnedByOthers: true });
      await runtime.setPinned(reference, false, soon());
      expect(await pinsOf(id)).toEqual({ pinnedNames: [], pinnedByOthers: true });
    });

    it('are still there when a removal was undone', async () => {
      const { runtime, expected, pinByOther, tag } = subject();
      if (pinByOther === undefined || !expected.capabilities.pin) return;
      const { reference, id } = await present(subject(), 'pinned-in-use', runnableImage('pinned in use'));
      const alias = 'docker.io/library/contract-pinned-in-use:1';
      await tag(reference, alias);
      await pinByOther(alias);
      await runtime.setPinned(reference, true, soon());
      await containers.create(reference);
      expect(await runtime.removeImage(id, soon())).toEqual({ kind: 'in_use' });
      expect(await pinsOf(id)).toEqual({ pinnedNames: [reference], pinnedByOthers: true });
    });

    it('cannot be set on a name that is not there', async () => {
      const { runtime, registry } = subject();
      const { code } = await failureOf(runtime.setPinned(`${registry.host}/contract/nowhere:1`, true, soon()));
      expect(['not_found', 'runtime']).toContain(code);
    });
  });
}
