import { describe, expect, it } from 'vitest';
import type { PullProgress } from '../../../agent/runtime/runtime.ts';
import { buildImage, buildIndex, buildLayer } from '../../harness/images.ts';
import { failureOf, findImage, idOf, pull, push, smallImage, toExpected } from '../helpers.ts';
import { rightCredential, wrongCredential } from '../subject.ts';
import type { Subject } from '../subject.ts';

/** For a machine that nobody runs these tests on. */
function foreignImage(seed: string) {
  return buildImage({
    layers: [buildLayer({ seed, sizeBytes: 1_000 })],
    platform: { os: 'linux', architecture: 's390x' },
  });
}

export function describePulling(subject: () => Subject): void {
  describe('pulling', () => {
    it('gives the image id', async () => {
      const { runtime, registry } = subject();
      const image = smallImage('id');
      expect(await pull(runtime, await push(registry, 'id', image))).toBe(idOf(subject(), image));
    });

    it('uses the credential that it is given', async () => {
      const { runtime, privateRegistry: registry } = subject();
      const image = smallImage('private');
      const reference = await push(registry, 'private', image);
      const credential = rightCredential(registry.host);
      expect(await pull(runtime, reference, { credential })).toBe(idOf(subject(), image));
    });

    it('fails with auth on a wrong credential', async () => {
      const { runtime, privateRegistry: registry } = subject();
      const reference = await push(registry, 'wrong-credential', smallImage('wrong credential'));
      const credential = wrongCredential(registry.host);
      expect(await failureOf(pull(runtime, reference, { credential }))).toMatchObject({ code: 'auth' });
    });

    it('fails with auth without a credential where one is needed, also after a pull with one', async () => {
      const { runtime, privateRegistry: registry } = subject();
      const reference = await push(registry, 'no-credential', smallImage('no credential'));
      await pull(runtime, reference, { credential: rightCredential(registry.host) });
      await push(registry, 'no-credential', smallImage('no credential, moved'));
      expect(await failureOf(pull(runtime, reference))).toMatchObject({ code: 'auth' });
    });

    it('fetches no blob of an image that is there', async () => {
      const { runtime, registry } = subject();
      const image = smallImage('there');
      const reference = await push(registry, 'there', image);
      await pull(runtime, reference);
      const before = registry.bytesSent();
      expect(await pull(runtime, reference)).toBe(idOf(subject(), image));
      expect(registry.bytesSent() - before).toBe(0);
    });

    it('fetches no layer that another image brought', async () => {
      const { runtime, registry } = subject();
      const base = buildLayer({ seed: 'shared base', sizeBytes: 20_000 });
      const one = buildImage({ layers: [base] });
      const two = buildImage({ layers: [base, buildLayer({ seed: 'shared top', sizeBytes: 2_000 })] });
      await pull(runtime, await push(registry, 'shared-one', one));
      await pull(runtime, await push(registry, 'shared-two', two));
      expect(registry.bytesOf(base.digest)).toBe(base.blob.length);
    });

    it('pulls by digest, and the image then has no tag', async () => {
      const { runtime, registry } = subject();
      const image = smallImage('by digest');
      await push(registry, 'by-digest', image);
      const name = `${registry.host}/contract/by-digest@${image.manifestDigest}`;
      expect(await pull(runtime, name)).toBe(idOf(subject(), image));
      expect(await findImage(runtime, idOf(subject(), image))).toMatchObject({ tags: [], digests: [name] });
    });

    it('takes the digest where a reference has a tag as well', async () => {
      const { runtime, registry } = subject();
      const image = smallImage('tag and digest');
      await push(registry, 'tag-and-digest', image, '1');
      await push(registry, 'tag-and-digest', smallImage('the tag moved on'), '1');
      const name = `${registry.host}/contract/tag-and-digest`;
      expect(await pull(runtime, `${name}:1@${image.manifestDigest}`)).toBe(idOf(subject(), image));
      const shown = await findImage(runtime, idOf(subject(), image));
      expect(shown?.digests).toEqual([`${name}@${image.manifestDigest}`]);
    });

    it.each(['contract/no-such-repository:1', 'contract/known:no-such-tag'])(
      'fails with not_found on %s',
      async (name) => {
        const { runtime, registry } = subject();
        await push(registry, 'known', smallImage('known'));
        expect(await failureOf(pull(runtime, `${registry.host}/${name}`))).toMatchObject({ code: 'not_found' });
      },
    );

    it('fails with no_platform where the image is for another one', async () => {
      const { runtime, registry } = subject();
      const reference = await push(registry, 'foreign', buildIndex([foreignImage('foreign')]));
      expect(await failureOf(pull(runtime, reference))).toMatchObject({ code: 'no_platform' });
    });

    it('takes its own platform out of an index, and names the image by the digest of the index', async () => {
      const { runtime, registry } = subject();
      const own = smallImage('own platform');
      const index = buildIndex([foreignImage('not this'), own]);
      const id = idOf(subject(), own, index);
      expect(await pull(runtime, await push(registry, 'index', index))).toBe(id);
      const shown = await findImage(runtime, id);
      expect(shown?.digests).toEqual([`${registry.host}/contract/index@${index.indexDigest}`]);
    });

    it('reports growing bytes up to the total', async () => {
      const { runtime, registry, expected } = subject();
      const image = buildImage({ layers: [buildLayer({ seed: 'progress', sizeBytes: 8_000_000 })] });
      const reference = await push(registry, 'progress', image);
      const seen: PullProgress[] = [];
      registry.throttle(6_000_000);
      try {
        await pull(runtime, reference, {
          expected: toExpected(image),
          onProgress: (progress) => seen.push(progress),
        });
      } finally {
        registry.throttle(undefined);
      }
      if (!expected.capabilities.progress) return expect(seen).toEqual([]);
      const bytes = seen.map((progress) => progress.downloadedBytes);
      const totalBytes = toExpected(image).reduce((sum, blob) => sum + blob.sizeBytes, 0);
      expect(bytes).toEqual(bytes.toSorted((left, right) => left - right));
      expect(new Set(bytes.filter((count) => count > 10_000 && count < totalBytes)).size).toBeGreaterThan(1);
      return expect(seen.at(-1)).toEqual({ downloadedBytes: totalBytes, totalBytes });
    });

    it('needs no sizes to report, and never reports more bytes than the total', async () => {
      const { runtime, registry } = subject();
      const image = buildImage({ layers: [buildLayer({ seed: 'no sizes', sizeBytes: 300_000 })] });
      const seen: PullProgress[] = [];
      const onProgress = (progress: PullProgress) => seen.push(progress);
      await pull(runtime, await push(registry, 'no-sizes', image), { onProgress });
      const excess = seen.filter(({ downloadedBytes, totalBytes }) => downloadedBytes > (totalBytes ?? Infinity));
      expect(excess).toEqual([]);
    });

    it('fetches a layer that two pulls need once, and both report its progress', async () => {
      const { runtime, registry, expected } = subject();
      const layer = buildLayer({ seed: 'needed twice', sizeBytes: 4_000_000 });
      const pulls = ['one', 'two'].map(async (name) => {
        const image = buildImage({ layers: [layer], labels: { image: name } });
        const reference = await push(registry, `needed-by-${name}`, image);
        const seen = new Set<number>();
        const onProgress = ({ downloadedBytes }: PullProgress) => seen.add(downloadedBytes);
        registry.throttle(4_000_000);
        const imageId = await pull(runtime, reference, { expected: toExpected(image), onProgress });
        return { whole: imageId === idOf(subject(), image), reported: seen.size > 2 };
      });
      const both = await Promise.all(pulls).finally(() => registry.throttle(undefined));
      const one = { whole: true, reported: expected.capabilities.progress };
      expect(both).toEqual([one, one]);
      expect(registry.bytesOf(layer.digest)).toBe(layer.blob.length);
    });

    it('goes on reporting while it unpacks', async () => {
      const { runtime, registry, expected } = subject();
      // Many small files take long to unpack and no time to fetch.
      const layers = [1, 2, 3].map((number) =>
        buildLayer({ seed: `unpacking ${number}`, sizeBytes: 40_000, files: 3_000 }),
      );
      const image = buildImage({ layers });
      const reference = await push(registry, 'unpacking', image);
      const layerBytes = layers.reduce((sum, layer) => sum + layer.blob.length, 0);
      let reports = 0;
      const onProgress = ({ downloadedBytes }: PullProgress) => {
        if (downloadedBytes >= layerBytes) reports += 1;
      };
      await pull(runtime, reference, { expected: toExpected(image), onProgress });
      if (expected.capabilities.progress) expect(reports).toBeGreaterThan(1);
    });
  });
}
