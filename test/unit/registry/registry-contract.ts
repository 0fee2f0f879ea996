/** What every implementation of the `Registry` port does. Runs on the fake, on the client against a stub, and on a real registry. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { type ImageReference, parseReference } from '../../../agent/core/image-reference.ts';
import type { ManifestSummary, Registry } from '../../../agent/registry/registry.ts';

export interface RegistryHarness {
  readonly registry: Registry;
  /** `host:port` of a registry that everybody may read. */
  readonly openHost: string;
  /** `host:port` of a registry that only `login` may read. */
  readonly privateHost: string;
  readonly login: { readonly username: string; readonly password: string };
  /** Puts an image under the reference; another seed is another image. Returns what the registry should say of it. */
  push(reference: string, seed: string): Promise<ManifestSummary>;
  /** Requests that reached a registry so far. */
  requests(): number;
  /** Lets requests hang until called; undefined where the registry cannot. */
  hold?(): () => void;
  close(): Promise<void>;
}

export function describeRegistry(name: string, start: () => Promise<RegistryHarness>): void {
  describe(`registry contract: ${name}`, () => {
    let harness: RegistryHarness;
    const never = new AbortController().signal;
    const at = (host: string, rest: string): ImageReference => parseReference(`${host}/${rest}`);
    const credential = (username: string, password: string, host = harness.privateHost) =>
      new Credential(host, username, password);

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(async () => {
      await harness.registry.close();
      await harness.close();
    });

    test('a tag resolves to the digest of what it points to, and moves with it', async () => {
      const { registry, openHost } = harness;
      const first = await harness.push(`${openHost}/app/web:v1`, 'one');
      expect(await registry.resolveDigest(at(openHost, 'app/web:v1'), [], never)).toBe(first.digest);

      const second = await harness.push(`${openHost}/app/web:v1`, 'two');
      expect(second.digest).not.toBe(first.digest);
      expect(await registry.resolveDigest(at(openHost, 'app/web:v1'), [], never)).toBe(second.digest);
    });

    test('the manifest gives digests, sizes and chain ids, also after the tag moved', async () => {
      const { registry, openHost } = harness;
      const first = await harness.push(`${openHost}/app/web:v1`, 'one');
      expect(await registry.readManifest(at(openHost, 'app/web:v1'), [], never)).toEqual(first);
      expect(await registry.readManifest(at(openHost, 'app/web:v1'), [], never)).toEqual(first);

      const second = await harness.push(`${openHost}/app/web:v1`, 'two');
      expect(await registry.readManifest(at(openHost, 'app/web:v1'), [], never)).toEqual(second);
    });

    test('a reference by digest resolves to itself without a request; with a tag, the digest wins', async () => {
      const { registry, openHost } = harness;
      const first = await harness.push(`${openHost}/app/web:v1`, 'one');
      await harness.push(`${openHost}/app/web:v1`, 'two');
      const before = harness.requests();
      expect(await registry.resolveDigest(at(openHost, `app/web@${first.digest}`), [], never)).toBe(first.digest);
      expect(await registry.resolveDigest(at(openHost, `app/web:v1@${first.digest}`), [], never)).toBe(first.digest);
      expect(harness.requests()).toBe(before);

      expect(await registry.readManifest(at(openHost, `app/web@${first.digest}`), [], never)).toEqual(first);
      expect(await registry.readManifest(at(openHost, `app/web:v1@${first.digest}`), [], never)).toEqual(first);
    });

    test('an unknown tag, digest or repository is not_found and not worth a quick retry', async () => {
      const { registry, openHost } = harness;
      await harness.push(`${openHost}/app/web:v1`, 'one');
      const missing = { code: 'not_found', retryable: false };
      const digest = `sha256:${'0'.repeat(64)}`;
      await expect(registry.resolveDigest(at(openHost, 'app/web:nosuch'), [], never)).rejects.toMatchObject(missing);
      await expect(registry.readManifest(at(openHost, 'app/web:nosuch'), [], never)).rejects.toMatchObject(missing);
      await expect(registry.readManifest(at(openHost, `app/web@${digest}`), [], never)).rejects.toMatchObject(missing);
      await expect(registry.readManifest(at(openHost, 'app/nosuch:v1'), [], never)).rejects.toMatchObject(missing);
    });

    test('a private registry is read with the first credential that it accepts', async () => {
      const { registry, privateHost, login } = harness;
      const image = await harness.push(`${privateHost}/app/web:v1`, 'one');
      const good = credential(login.username, login.password);
      const wrong = credential(login.username, 'guess');
      const reference = at(privateHost, 'app/web:v1');
      expect(await registry.resolveDigest(reference, [good], never)).toBe(image.digest);
      expect(await registry.resolveDigest(reference, [wrong, credential('nobody', 'x'), good], never)).toBe(
        image.digest,
      );
      expect(await registry.readManifest(reference, [wrong, good], never)).toEqual(image);
    });

    test('no credential, wrong ones, or one for another host: auth', async () => {
      const { registry, privateHost, login } = harness;
      await harness.push(`${privateHost}/app/web:v1`, 'one');
      const refused = { code: 'auth', retryable: false };
      const reference = at(privateHost, 'app/web:v1');
      const elsewhere = credential(login.username, login.password, 'elsewhere.example');
      await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject(refused);
      await expect(registry.readManifest(reference, [credential('nobody', 'x')], never)).rejects.toMatchObject(refused);
      await expect(registry.readManifest(reference, [elsewhere], never)).rejects.toMatchObject(refused);
    });

    test('an abort throws its reason, before and during a request', async () => {
      const { registry, openHost } = harness;
      await harness.push(`${openHost}/app/web:v1`, 'one');
      const reason = new Error('no longer desired');
      const reference = at(openHost, 'app/web:v1');
      await expect(registry.resolveDigest(reference, [], AbortSignal.abort(reason))).rejects.toBe(reason);
      await expect(registry.readManifest(reference, [], AbortSignal.abort(reason))).rejects.toBe(reason);
      if (harness.hold === undefined) return;

      const release = harness.hold();
      const controller = new AbortController();
      const before = harness.requests();
      const pending = registry.readManifest(reference, [], controller.signal);
      const outcome = expect(pending).rejects.toBe(reason);
      await expect.poll(() => harness.requests()).toBeGreaterThan(before);
      controller.abort(reason);
      await outcome;
      release();
    });
  });
}
