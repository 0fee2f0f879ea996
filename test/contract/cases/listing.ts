import { describe, expect, it } from 'vitest';
import { readImageFilesystem } from '../../../agent/runtime/disk.ts';
import { buildImage, buildLayer } from '../../harness/images.ts';
import { chainIdsOf, eventually, findImage, idOf, pull, push, soon } from '../helpers.ts';
import type { Subject } from '../subject.ts';

export function describeListing(subject: () => Subject): void {
  describe('listing', () => {
    it('says who the runtime is and what it can do', async () => {
      const { runtime, expected } = subject();
      const info = await runtime.info(soon());
      expect(info.kind).toBe(expected.kind);
      expect(info.capabilities).toEqual(expected.capabilities);
      expect(info.version).toMatch(/^v?\d+\.\d+/);
      expect(info.name).not.toBe('');
      expect(info.snapshotter).not.toBe('');
    });

    it('names a path on the image filesystem, whose figures are then read', async () => {
      const { imageRoot } = await subject().runtime.info(soon());
      const figures = await readImageFilesystem(imageRoot ?? '');
      expect(figures.sizeBytes).toBeGreaterThan(0);
      expect(figures.availBytes).toBeGreaterThan(0);
      expect(figures.availBytes).toBeLessThanOrEqual(figures.sizeBytes);
    });

    it('shows a pulled image with its tag, its digest, its size and its id', async () => {
      const { runtime, registry } = subject();
      const image = buildImage({ layers: [buildLayer({ seed: 'shown', sizeBytes: 50_000 })] });
      const reference = await push(registry, 'shown', image);
      expect(await pull(runtime, reference)).toBe(idOf(subject(), image));
      const shown = await findImage(runtime, idOf(subject(), image));
      expect(shown).toMatchObject({
        tags: [reference],
        digests: [`${registry.host}/contract/shown@${image.manifestDigest}`],
        pinnedNames: [],
        pinnedByOthers: false,
        whole: true,
      });
      expect(shown?.sizeBytes).toBeGreaterThan(25_000);
    });

    it('normalises short names', async () => {
      const { runtime, registry, tag } = subject();
      const image = buildImage({ layers: [buildLayer({ seed: 'short', sizeBytes: 1_000 })] });
      const reference = await push(registry, 'short', image);
      await pull(runtime, reference);
      await tag(reference, 'docker.io/library/contract-short:1');
      await eventually(async () => {
        const shown = await findImage(runtime, idOf(subject(), image));
        expect(shown?.tags.toSorted()).toEqual([reference, 'docker.io/library/contract-short:1'].toSorted());
      });
    });

    it('shows one image under two tags and two repositories once, with all its names', async () => {
      const { runtime, registry, expected } = subject();
      const image = buildImage({ layers: [buildLayer({ seed: 'names', sizeBytes: 1_000 })] });
      const references = [
        await push(registry, 'names', image, '1'),
        await push(registry, 'names', image, '1.0'),
        await push(registry, 'names-too', image),
      ];
      for (const reference of references) await pull(runtime, reference);
      const images = await runtime.listImages(soon());
      const shown = images.filter((candidate) => candidate.id === idOf(subject(), image));
      expect(shown).toHaveLength(1);
      expect(shown[0]?.tags.toSorted()).toEqual(references.toSorted());
      const repositories = expected.containerdImageStore === true ? ['names'] : ['names', 'names-too'];
      expect(shown[0]?.digests.toSorted()).toEqual(
        repositories.map((name) => `${registry.host}/contract/${name}@${image.manifestDigest}`).toSorted(),
      );
    });

    it('lets a tag move: the old image keeps only its digest', async () => {
      const { runtime, registry, expected } = subject();
      const before = buildImage({ layers: [buildLayer({ seed: 'before', sizeBytes: 1_000 })] });
      const after = buildImage({ layers: [buildLayer({ seed: 'after', sizeBytes: 1_000 })] });
      const reference = await push(registry, 'moved', before);
      await pull(runtime, reference);
      await push(registry, 'moved', after);
      expect(await pull(runtime, reference)).toBe(idOf(subject(), after));
      expect((await findImage(runtime, idOf(subject(), after)))?.tags).toEqual([reference]);
      await eventually(async () => {
        expect(await findImage(runtime, idOf(subject(), before))).toMatchObject({
          tags: [],
          digests:
            expected.containerdImageStore === true ? [] : [`${registry.host}/contract/moved@${before.manifestDigest}`],
        });
      });
    });

    it('lists the layers of an image as far as it can know them', async () => {
      const { runtime, registry, expected } = subject();
      const layers = ['one', 'two', 'three'].map((seed) => buildLayer({ seed: `layers ${seed}`, sizeBytes: 2_000 }));
      const image = buildImage({ layers });
      await pull(runtime, await push(registry, 'layers', image));
      const present = await runtime.listLayers(soon());
      const known = chainIdsOf(image).filter((chainId) => present.chainIds.has(chainId));
      const blobs = layers.map((layer) => layer.digest).filter((digest) => present.blobs.has(digest));
      expect(known).toEqual(expected.layers.chainIds ? chainIdsOf(image) : []);
      expect(blobs).toEqual(expected.layers.blobs ? layers.map((layer) => layer.digest) : []);
    });
  });
}
