import { describe, expect, it } from 'vitest';
import type { ImagePart } from '../../../agent/runtime/runtime.ts';
import { buildImage, buildIndex, buildLayer } from '../../harness/images.ts';
import { findImage, idOf, present, pull, push, soon } from '../helpers.ts';
import type { Subject } from '../subject.ts';

const builtAt = Date.parse('2020-01-01T00:00:00Z');

function keysOf(parts: readonly ImagePart[] | undefined): string[] {
  return (parts ?? []).map(({ key }) => key).toSorted();
}

function toSum(parts: Iterable<ImagePart>): number {
  return [...parts].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Parts of all images together, shared ones once. */
function toDisk(parts: ReadonlyMap<string, readonly ImagePart[]>): Map<string, ImagePart> {
  return new Map([...parts.values()].flat().map((part) => [part.key, part]));
}

export function describeMeasuring(subject: () => Subject): void {
  /** Two images on one base layer, each with a layer of its own. */
  async function presentPair(name: string) {
    const base = buildLayer({ seed: `${name} base`, sizeBytes: 60_000 });
    const [one, two] = ['one', 'two'].map((each) =>
      buildImage({ layers: [base, buildLayer({ seed: `${name} ${each}`, sizeBytes: 20_000, files: 5 })] }),
    );
    if (one === undefined || two === undefined) throw new Error('a pair has two');
    return [await present(subject(), `${name}-one`, one), await present(subject(), `${name}-two`, two)] as const;
  }

  describe('the parts of images', () => {
    it('are told for every image, each with its place and its size', async () => {
      const { runtime, expected } = subject();
      await presentPair('told');
      const parts = await runtime.listImageParts(soon());
      const images = await runtime.listImages(soon());
      expect([...parts.keys()].toSorted()).toEqual(images.map(({ id }) => id).toSorted());
      for (const own of parts.values()) expect(keysOf(own), 'no part twice').toEqual([...new Set(keysOf(own))]);
      const all = [...parts.values()].flat();
      expect([...new Set(all.map(({ store }) => store))].toSorted()).toEqual(expected.parts.stores.toSorted());
      expect(all.filter(({ bytes }) => !Number.isInteger(bytes) || bytes < 0)).toEqual([]);
      expect(all.filter(({ inodes }) => !Number.isInteger(inodes) || inodes < 0)).toEqual([]);
    });

    it('have the same key where images share them', async () => {
      const { runtime, expected } = subject();
      const [one, two] = await presentPair('shared-parts');
      const parts = await runtime.listImageParts(soon());
      const own = parts.get(one.id) ?? [];
      const others = new Map((parts.get(two.id) ?? []).map((part) => [part.key, part]));
      const shared = own.filter(({ key }) => others.has(key));
      // The base layer, as a blob and as a snapshot where both are kept.
      expect(shared.map(({ store }) => store).toSorted()).toEqual(
        expected.parts.whole ? [] : expected.parts.stores.toSorted(),
      );
      for (const part of shared) {
        const other = others.get(part.key);
        expect(other).toMatchObject({ store: part.store });
        if (expected.containerdImageStore !== true) expect(other).toEqual(part);
      }
      expect(toSum(own)).toBeGreaterThanOrEqual(expected.parts.whole ? 20_000 : 80_000);
    });

    it('add up to the size that the runtime tells, where they are no more than estimates', async () => {
      const { runtime, expected } = subject();
      if (expected.capabilities.exactSizes || expected.containerdImageStore === true) return;
      const [one] = await presentPair('adding-up');
      const parts = (await runtime.listImageParts(soon())).get(one.id) ?? [];
      expect(toSum(parts)).toBe((await findImage(runtime, one.id))?.sizeBytes);
    });

    it('are those that are there, of an image that lacks one', async () => {
      const { runtime, expected, damage } = subject();
      if (damage === undefined || expected.parts.whole) return;
      const { reference, image, id } = await present(subject(), 'parts-damaged');
      const before = (await runtime.listImageParts(soon())).get(id) ?? [];
      await damage(reference, image, 'layer');
      const after = (await runtime.listImageParts(soon())).get(id) ?? [];
      expect(before.filter(({ store }) => store === 'snapshot')).toHaveLength(1);
      expect(after.filter(({ store }) => store === 'snapshot')).toEqual([]);
      expect(await runtime.removeImage(id, soon())).toMatchObject({ kind: 'removed' });
    });
  });

  describe('what a removal frees', () => {
    it('are the parts that no other image has, and the rest with the last image that has it', async () => {
      const { runtime, expected } = subject();
      for (const { id } of await presentPair('freed')) {
        const before = await runtime.listImageParts(soon());
        const removal = await runtime.removeImage(id, soon());
        const after = await runtime.listImageParts(soon());
        if (removal.kind !== 'removed') throw new Error(`it was not removed: ${removal.kind}`);
        expect(after.has(id)).toBe(false);
        const left = toDisk(after);
        const gone = [...toDisk(before).values()].filter(({ key }) => !left.has(key));
        if (!expected.capabilities.exactSizes) {
          expect(removal.freed).toBeUndefined();
          continue;
        }
        expect(keysOf(removal.freed)).toEqual(keysOf(gone));
        expect(toSum(removal.freed ?? [])).toBe(toSum(gone));
        expect(toSum(gone)).toBeGreaterThan(20_000);
      }
    });

    it('is all of an image that was taken out of an index', async () => {
      const { runtime, registry, expected } = subject();
      const own = buildImage({ layers: [buildLayer({ seed: 'freed of an index', sizeBytes: 30_000 })] });
      const foreign = buildImage({
        layers: [buildLayer({ seed: 'never here', sizeBytes: 1_000 })],
        platform: { os: 'linux', architecture: 's390x' },
      });
      const index = buildIndex([foreign, own]);
      await pull(runtime, await push(registry, 'freed-of-index', index));
      const id = idOf(subject(), own, index);
      const parts = (await runtime.listImageParts(soon())).get(id);
      expect(keysOf(parts).length).toBeGreaterThan(0);
      const removal = await runtime.removeImage(id, soon());
      if (removal.kind !== 'removed') throw new Error(`it was not removed: ${removal.kind}`);
      if (!expected.capabilities.exactSizes) return;
      expect(keysOf(removal.freed)).toEqual(keysOf(parts));
      expect(keysOf(parts).some((key) => key === own.layers[0]?.digest)).toBe(true);
    });
  });

  describe("what an image's config says", () => {
    it('is its build time and its labels', async () => {
      const { runtime } = subject();
      const labels = { 'org.opencontainers.image.version': '1.2', 'example.test/keep': '' };
      const layers = [buildLayer({ seed: 'labels', sizeBytes: 1_000 })];
      const labelled = await present(subject(), 'labelled', buildImage({ layers, labels }));
      const plain = await present(subject(), 'no-labels');
      const details = await runtime.readImageDetails([labelled.id, plain.id], soon());
      expect(details).toEqual(
        new Map([
          [labelled.id, { builtAt, labels }],
          [plain.id, { builtAt, labels: {} }],
        ]),
      );
    });

    it('is missing where an image is not there', async () => {
      const { runtime } = subject();
      const { id } = await present(subject(), 'details-left');
      const absent = `sha256:${'1'.repeat(64)}`;
      expect([...(await runtime.readImageDetails([absent, id], soon())).keys()]).toEqual([id]);
      expect(await runtime.readImageDetails([], soon())).toEqual(new Map());
    });
  });
}
