/** What every implementation of the `ImageSource` port does. Runs on the fake, on the client against a stub, on a real registry and on the Harbor double. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { type ImageReference, parseReference } from '../../../agent/core/image-reference.ts';
import type { Platform } from '../../../agent/core/platform.ts';
import type { ImageSource, SourceImage, StoredSignature } from '../../../agent/registry/image-source.ts';

export interface ImageSourceHarness {
  readonly source: ImageSource;
  /** `host:port` of a registry that everybody may read, and of one that only `login` may read. */
  readonly openHost: string;
  readonly privateHost: string;
  readonly login: { readonly username: string; readonly password: string };
  /** First part of repository names, of those that everybody may read and of the others; default `app`. */
  readonly openProject?: string;
  readonly privateProject?: string;
  /** Puts an index for the platforms under the reference; another seed is another image. Returns what the source should say of all of them. */
  pushIndex(reference: string, seed: string, platforms: readonly Platform[]): Promise<SourceImage>;
  /** A single manifest; returns what the source should say of linux/amd64. */
  pushSingle(reference: string, seed: string): Promise<SourceImage>;
  /** Leaves a signature for a manifest; undefined where the harness cannot. */
  sign?(repository: string, digest: string, signature: StoredSignature): Promise<void>;
  /** Requests that reached a registry so far. */
  requests(): number;
  /** Lets requests hang until called; undefined where the registry cannot. */
  hold?(): () => void;
  close(): Promise<void>;
}

const amd64: Platform = { os: 'linux', architecture: 'amd64' };
const arm64: Platform = { os: 'linux', architecture: 'arm64' };
const riscv: Platform = { os: 'linux', architecture: 'riscv64' };
const absent = `sha256:${'0'.repeat(64)}`;

export function describeImageSource(name: string, start: () => Promise<ImageSourceHarness>): void {
  describe(`image source contract: ${name}`, () => {
    let harness: ImageSourceHarness;
    const never = new AbortController().signal;
    const openName = (rest: string) => `${harness.openHost}/${harness.openProject ?? 'app'}/${rest}`;
    const open = (rest: string): ImageReference => parseReference(openName(rest));
    const push = (rest: string, seed: string, platforms = [amd64, arm64]): Promise<SourceImage> =>
      harness.pushIndex(openName(rest), seed, platforms);
    const blobsOf = (image: SourceImage) => image.platforms.flatMap(({ config, layers }) => [config, ...layers]);

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(async () => {
      await harness.source.close();
      await harness.close();
    });

    test('a head gives the digest of the index that a tag points to, and moves with it; a digest gives itself', async () => {
      const { source } = harness;
      const first = await push('web:v1', 'one');
      expect(await source.headManifest(open('web:v1'), [], never)).toEqual({ digest: first.digest });
      const second = await push('web:v1', 'two');
      expect(second.digest).not.toBe(first.digest);
      expect(await source.headManifest(open('web:v1'), [], never)).toEqual({ digest: second.digest });
      expect(await source.headManifest(open(`web@${first.digest}`), [], never)).toEqual({ digest: first.digest });
    });

    test('an unknown tag, digest or repository is not_found', async () => {
      const { source } = harness;
      await push('web:v1', 'one');
      const missing = { code: 'not_found' };
      for (const rest of ['web:nosuch', `web@${absent}`, 'nosuch:v1']) {
        await expect(source.headManifest(open(rest), [], never)).rejects.toMatchObject(missing);
        await expect(source.readImage(open(rest), [amd64], [], never)).rejects.toMatchObject(missing);
      }
    });

    test('an image is read for the platforms that are asked for; what it does not have is missing', async () => {
      const { source } = harness;
      const image = await push('web:v1', 'one');
      const [first, second] = image.platforms;
      expect(await source.readImage(open('web:v1'), [amd64, arm64], [], never)).toEqual(image);
      expect(await source.readImage(open(`web@${image.digest}`), [arm64, riscv], [], never)).toEqual({
        ...image,
        platforms: [second],
        missing: [riscv],
      });
      const newer: Platform = { ...amd64, variant: 'v3' };
      expect(await source.readImage(open('web:v1'), [newer], [], never)).toEqual({
        ...image,
        platforms: [{ ...first, platform: newer }],
      });
    });

    test('the children alone are those that the image is read for', async () => {
      const { source } = harness;
      const image = await push('web:v1', 'one');
      const children = image.platforms.map(({ platform, digest }) => ({ platform, digest }));
      const [, second] = children;
      const whole = { digest: image.digest, isIndex: true, children, missing: [], unknown: [] };
      expect(await source.readChildren(open('web:v1'), [amd64, arm64], [], never)).toEqual(whole);
      expect(await source.readChildren(open(`web@${image.digest}`), [riscv, arm64], [], never)).toEqual({
        ...whole,
        children: [second],
        missing: [riscv],
      });
      const { digest } = await harness.pushSingle(openName('web:single'), 'one');
      expect(await source.readChildren(open('web:single'), [arm64], [], never)).toEqual({
        digest,
        isIndex: false,
        missing: [],
        unknown: [],
        children: [{ platform: arm64, digest }],
      });
      const missing = { code: 'not_found' };
      await expect(source.readChildren(open('web:nosuch'), [amd64], [], never)).rejects.toMatchObject(missing);
    });

    test('a single manifest is what every platform pulls', async () => {
      const { source } = harness;
      const image = await harness.pushSingle(openName('web:v1'), 'one');
      expect(await source.readImage(open('web:v1'), [amd64], [], never)).toEqual(image);
      const arm = await source.readImage(open('web:v1'), [arm64], [], never);
      expect(arm).toMatchObject({ missing: [], platforms: [{ platform: arm64, digest: image.digest }] });
    });

    test('blobs: there or not, opened and left, read to their end with every byte counted', async () => {
      const { source } = harness;
      const image = await push('web:v1', 'one');
      const reference = open('web:v1');
      expect(blobsOf(image).length).toBeGreaterThan(2);
      for (const blob of blobsOf(image)) {
        expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(true);
        const { headersMs } = await source.touchBlob(reference, blob.digest, [], never);
        expect(headersMs).toBeGreaterThanOrEqual(0);
        let bytes = 0;
        await source.discardBlob(reference, blob, [], never, (more) => {
          bytes += more;
        });
        expect(bytes).toBe(blob.sizeBytes);
      }
      const missing = { code: 'not_found' };
      expect(await source.hasBlob(reference, absent, [], never)).toBe(false);
      await expect(source.touchBlob(reference, absent, [], never)).rejects.toMatchObject(missing);
      const blob = { digest: absent, sizeBytes: 1 };
      await expect(source.discardBlob(reference, blob, [], never)).rejects.toMatchObject(missing);
    });

    test('a blob of another size than was said is no success', async () => {
      const { source } = harness;
      const image = await push('web:v1', 'one');
      const mismatch = { code: 'upstream', detail: 'digest_mismatch' };
      for (const difference of [-1, 1]) {
        const [blob] = blobsOf(image).map((one) => ({ ...one, sizeBytes: one.sizeBytes + difference }));
        if (blob === undefined) throw new Error('no blob');
        await expect(source.discardBlob(open('web:v1'), blob, [], never)).rejects.toMatchObject(mismatch);
      }
    });

    test('tags are listed, all of them', async () => {
      const { source } = harness;
      for (const tag of ['v1', 'v2', 'latest']) await push(`web:${tag}`, tag);
      expect([...(await source.listTags(open('web:v1'), [], never))].sort()).toEqual(['latest', 'v1', 'v2']);
    });

    test('signatures: none, or what cosign left', async () => {
      const { source, sign } = harness;
      const image = await push('web:v1', 'one');
      expect(await source.readSignatures(open('web:v1'), image.digest, [], never)).toEqual([]);
      if (sign === undefined) return;
      const simple: StoredSignature = { kind: 'simple', payload: Buffer.from('{"critical":{}}'), signature: 'MEQ=' };
      const bundle: StoredSignature = { kind: 'bundle', bundle: Buffer.from('{"dsseEnvelope":{}}') };
      await sign(openName('web'), image.digest, simple);
      expect(await source.readSignatures(open('web:v1'), image.digest, [], never)).toEqual([simple]);
      await sign(openName('web'), image.digest, bundle);
      const both = await source.readSignatures(open('web:v1'), image.digest, [], never);
      expect(both).toHaveLength(2);
      expect(both).toEqual(expect.arrayContaining([simple, bundle]));
    });

    test('a private registry is read with the first credential that it accepts, else auth', async () => {
      const { source, privateHost, privateProject = 'app', login } = harness;
      const name = `${privateHost}/${privateProject}/web:v1`;
      const image = await harness.pushIndex(name, 'one', [amd64]);
      const [blob] = blobsOf(image);
      if (blob === undefined) throw new Error('no blob');
      const reference = parseReference(name);
      const credential = (password: string, host = privateHost) => new Credential(host, login.username, password);
      const tried = [credential('guess'), credential(login.password)];
      expect(await source.headManifest(reference, tried, never)).toEqual({ digest: image.digest });
      expect(await source.readImage(reference, [amd64], tried, never)).toEqual(image);
      expect(await source.hasBlob(reference, blob.digest, tried, never)).toBe(true);
      await source.touchBlob(reference, blob.digest, tried, never);
      await source.discardBlob(reference, blob, tried, never);
      expect(await source.listTags(reference, tried, never)).toEqual(['v1']);
      expect(await source.readSignatures(reference, image.digest, tried, never)).toEqual([]);
      for (const refused of [[], [credential('guess')], [credential(login.password, 'elsewhere.example')]]) {
        await expect(source.headManifest(reference, refused, never)).rejects.toMatchObject({ code: 'auth' });
        await expect(source.hasBlob(reference, blob.digest, refused, never)).rejects.toMatchObject({ code: 'auth' });
        await expect(source.listTags(reference, refused, never)).rejects.toMatchObject({ code: 'auth' });
      }
    });

    test('an abort throws its reason, before and during a call', async () => {
      const { source } = harness;
      const image = await push('web:v1', 'one');
      const reference = open('web:v1');
      const [blob] = blobsOf(image);
      if (blob === undefined) throw new Error('no blob');
      const reason = new Error('no longer wanted');
      const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => source.headManifest(reference, [], signal),
        (signal) => source.readImage(reference, [amd64], [], signal),
        (signal) => source.hasBlob(reference, blob.digest, [], signal),
        (signal) => source.touchBlob(reference, blob.digest, [], signal),
        (signal) => source.discardBlob(reference, blob, [], signal),
        (signal) => source.listTags(reference, [], signal),
        (signal) => source.readSignatures(reference, image.digest, [], signal),
      ];
      for (const call of calls) await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason);
      if (harness.hold === undefined) return;
      for (const call of calls) {
        const release = harness.hold();
        const controller = new AbortController();
        const before = harness.requests();
        const outcome = expect(call(controller.signal)).rejects.toBe(reason);
        await expect.poll(() => harness.requests()).toBeGreaterThan(before);
        controller.abort(reason);
        await outcome;
        release();
      }
    });
  });
}
