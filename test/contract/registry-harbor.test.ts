/** The image source's contract, and what a proxy-cache project makes of it, on the Harbor of the tests. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Credential } from '../../agent/core/credentials.ts';
import { parseReference } from '../../agent/core/image-reference.ts';
import type { Platform } from '../../agent/core/platform.ts';
import type { ImageSource, SourceImage } from '../../agent/registry/image-source.ts';
import { createOciRegistry } from '../../agent/registry/oci-registry.ts';
import { type Harbor, type Login, parseRights, startGateway, startHarbor } from '../harness/harbor/harbor.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { describeImageSource } from '../unit/registry/image-source-contract.ts';
import { store } from '../unit/registry/images.ts';
import {
  type BuiltSource,
  buildSourceIndex,
  buildSourceSingle,
  toSignatureManifest,
} from '../unit/registry/source-images.ts';

const never = new AbortController().signal;
const amd64: Platform = { os: 'linux', architecture: 'amd64' };

function clientOf(host: string): ImageSource {
  return createOciRegistry({
    registries: () => [
      { host, plainHTTP: true, insecureSkipVerify: false, caFile: undefined, tokenHosts: [], harbor: true },
    ],
    platform: amd64,
  });
}

describeWith(needs.registry, 'the Harbor of the tests', () => {
  let harbor: Harbor;
  let tests = 0;
  beforeAll(async () => {
    harbor = await startHarbor();
  });
  afterAll(() => harbor.remove());

  describeImageSource('the Harbor of the tests', async () => {
    tests += 1;
    const [openProject, privateProject] = [`open${tests}`, `private${tests}`];
    harbor.addProject(openProject, { public: true });
    harbor.addProject(privateProject);
    const robot = harbor.addRobot({
      project: privateProject,
      name: 'pull',
      permissions: parseRights('repository:pull'),
    });
    const push = async (reference: string, image: BuiltSource): Promise<SourceImage> => {
      const { repository, tag = '' } = parseReference(reference);
      await harbor.push(repository, tag, image.built);
      return image.source;
    };
    return {
      source: clientOf(harbor.host),
      openHost: harbor.host,
      privateHost: harbor.host,
      openProject,
      privateProject,
      login: harbor.loginOf(robot),
      pushIndex: (reference, seed, platforms) => push(reference, buildSourceIndex(seed, platforms)),
      pushSingle: (reference, seed) => push(reference, buildSourceSingle(seed)),
      sign: async (name, digest, signature) => {
        const repository = name.slice(name.indexOf('/') + 1);
        const { blob, manifest } = toSignatureManifest(digest, signature);
        const config = store('', '{}');
        await harbor.put(repository, {
          manifest: manifest.bytes,
          blobs: new Map([
            [blob.digest, blob.bytes],
            [config.digest, config.bytes],
          ]),
          ...(signature.kind === 'simple' ? { tag: `${digest.replace(':', '-')}.sig` } : {}),
        });
      },
      requests: () => harbor.requests.length,
      hold: () => {
        harbor.faults.hang = () => true;
        return () => {
          harbor.faults.hang = undefined;
        };
      },
      close: async () => {},
    };
  });

  describe('a proxy-cache project', () => {
    let login: Login;
    let image: BuiltSource;
    let name: string;
    let source: ImageSource;
    const reference = (host = harbor.host) => parseReference(`${host}/${name}:v1`);
    const credentials = (host = harbor.host) => [new Credential(host, login.username, login.password)];
    const blobsOf = ({ platforms }: SourceImage) => platforms.flatMap(({ config, layers }) => [config, ...layers]);

    beforeEach(async () => {
      tests += 1;
      const project = `px${tests}`;
      harbor.addProject(project, { proxyOf: harbor.upstream });
      const robot = harbor.addRobot({ project, name: 'pull', permissions: parseRights('repository:pull') });
      login = harbor.loginOf(robot);
      image = buildSourceIndex(`image ${tests}`, [amd64]);
      await harbor.upstream.setState('healthy');
      await harbor.upstream.registry.push(`lib/app${tests}`, 'v1', image.built);
      harbor.upstream.reset();
      name = `${project}/lib/app${tests}`;
      source = clientOf(harbor.host);
      return () => source.close();
    });

    test('what is cold is not there until it was opened, once; then it is, and reading it asks nobody upstream', async () => {
      expect(await source.readImage(reference(), [amd64], credentials(), never)).toEqual(image.source);
      for (const { digest } of blobsOf(image.source)) {
        expect(await source.hasBlob(reference(), digest, credentials(), never)).toBe(false);
        await source.touchBlob(reference(), digest, credentials(), never);
        await expect.poll(() => source.hasBlob(reference(), digest, credentials(), never)).toBe(true);
      }
      harbor.upstream.reset();
      for (const blob of blobsOf(image.source)) await source.discardBlob(reference(), blob, credentials(), never);
      expect(harbor.upstream.counts()).toMatchObject({ blobs: 0 });
    });

    test('reading a cold blob fills the cache too, also behind a gateway that swallows the abort', async () => {
      const gateway = await startGateway({ target: harbor.host, passesAborts: false });
      const behind = clientOf(gateway.host);
      const [first, ...others] = blobsOf(image.source);
      if (first === undefined) throw new Error('no blob');
      await behind.touchBlob(reference(gateway.host), first.digest, credentials(gateway.host), never);
      for (const blob of others) await source.discardBlob(reference(), blob, credentials(), never);
      for (const { digest } of [first, ...others]) {
        await expect.poll(() => source.hasBlob(reference(), digest, credentials(), never)).toBe(true);
      }
      await behind.close();
      await gateway.stop();
    });

    test("absence is told from a fallback by Harbor's words, also by HEAD", async () => {
      const absent = parseReference(`${harbor.host}/${name}:nosuch`);
      const real = { code: 'not_found', detail: undefined, retryable: false };
      await expect(source.headManifest(absent, credentials(), never)).rejects.toMatchObject(real);
      const fallback = { code: 'not_found', detail: 'not_found_proxy', retryable: true };
      await harbor.upstream.setState('down');
      await expect(source.headManifest(absent, credentials(), never)).rejects.toMatchObject(fallback);
      await expect(source.headManifest(reference(), credentials(), never)).rejects.toMatchObject(fallback);
      await harbor.upstream.setState(429);
      await expect(source.headManifest(reference(), credentials(), never)).rejects.toMatchObject({
        code: 'rate_limited',
        retryAfterMs: undefined,
      });
    });

    test('a robot of another project is valid, and has no right here', async () => {
      const [known, wrong] = [harbor.admin, 'guess'];
      const project = `other${tests}`;
      harbor.addProject(project);
      const robot = harbor.addRobot({ project, name: 'pull', permissions: parseRights('repository:pull') });
      const outsider = harbor.loginOf(robot);
      const read = (username: string, password: string) =>
        source.headManifest(reference(), [new Credential(harbor.host, username, password)], never);
      await expect(read(outsider.username, outsider.password)).rejects.toMatchObject({
        code: 'auth',
        detail: 'forbidden',
      });
      await expect(read(outsider.username, wrong)).rejects.toMatchObject({ code: 'auth', detail: 'auth_failed' });
      expect(await read(known.username, known.password)).toEqual({ digest: image.source.digest });
    });
  });
});
