/** What the image source makes of indexes, policy, tags and signatures as registries answer them. */

import { describe, expect, test } from 'vitest';
import { errors } from './harbor-stub.ts';
import { amd64, image, index, ociIndex, ociManifest, Repository, type Stored, store } from './images.ts';
import { clientOf, never, plain, referenceOf, startOpen, startServer } from './setup.ts';
import { type BuiltSource, buildSourceIndex, SourceRepository, toSignatureManifest } from './source-images.ts';
import type { Answer, StubServer } from './stub-server.ts';

const arm64 = { os: 'linux', architecture: 'arm64' };
const policyText =
  'current image with 2 vulnerabilities cannot be pulled due to configured policy in \'Prevent images with vulnerability severity of "High" or higher from running.\'';
const blocked: Answer = { status: 412, body: errors('PROJECTPOLICYVIOLATION', policyText) };
const refused = { code: 'policy', detail: 'policy_blocked', message: expect.stringContaining(policyText) };

describe('policy', () => {
  test('a child that is refused behind an index that is not: told with its digest, the other platforms are read', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const [good, bad] = [image('good'), image('bad', arm64)];
    const both = index([
      { item: good, platform: amd64 },
      { item: bad, platform: arm64 },
    ]);
    repository.put(good);
    repository.tag('v1', both);
    server.use(({ path }) => (path.endsWith(bad.digest) ? blocked : undefined));
    expect(await registry.readImage(reference, [amd64, arm64], [], never)).toMatchObject({
      digest: both.digest,
      platforms: [{ platform: amd64, digest: good.digest }],
      missing: [],
      refused: [{ platform: arm64, digest: bad.digest, failure: refused }],
    });
    const child = referenceOf(server, `app/web@${bad.digest}`);
    await expect(registry.headManifest(child, [], never)).rejects.toMatchObject(refused);
    expect(await registry.headManifest(reference, [], never)).toEqual({ digest: both.digest });
  });

  test('an index, or an image without one, that is refused: one GET after the HEAD brings the words', async () => {
    const { server, registry, reference } = await startOpen();
    server.use(() => blocked);
    await expect(registry.headManifest(reference, [], never)).rejects.toMatchObject(refused);
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
    await expect(registry.readImage(reference, [amd64], [], never)).rejects.toMatchObject(refused);
  });
});

describe('indexes', () => {
  test('a child that several platforms share is read once, attestations never', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    const attestation = image('attestation', { os: 'unknown', architecture: 'unknown' });
    repository.put(one);
    repository.tag(
      'v1',
      index([
        { item: attestation, platform: { os: 'unknown', architecture: 'unknown' } },
        { item: one, platform: amd64 },
      ]),
    );
    const platforms = [amd64, { ...amd64, variant: 'v2' }, { ...amd64, variant: 'v3' }];
    const read = await registry.readImage(reference, platforms, [], never);
    expect(read.platforms.map(({ platform, digest }) => [platform, digest])).toEqual(
      platforms.map((platform) => [platform, one.digest]),
    );
    expect(server.requests.map(({ path }) => path.split('/').at(-1))).toEqual(['v1', one.digest]);
  });

  test('children are told without asking for one manifest of an image', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const [one, other, unlabelled] = [image('one'), image('other', arm64), image('unlabelled')];
    const all = index([{ item: other, platform: arm64 }, { item: unlabelled }, { item: one, platform: amd64 }]);
    repository.tag('v1', all);
    const s390x = { os: 'linux', architecture: 's390x' };
    expect(await registry.readChildren(reference, [amd64, arm64, s390x], [], never)).toMatchObject({
      children: [
        { platform: amd64, digest: one.digest },
        { platform: arm64, digest: other.digest },
      ],
      missing: [],
      unknown: [s390x],
    });
    repository.tag('v2', one);
    const single = referenceOf(server, 'app/web:v2');
    expect(await registry.readChildren(single, [arm64], [], never)).toMatchObject({
      isIndex: false,
      children: [{ platform: arm64, digest: one.digest }],
    });
    expect(server.requests.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)).toEqual([
      'HEAD v1',
      `GET ${all.digest}`,
      'HEAD v2',
    ]);
  });

  test('a chart is no image, and a broken child ends it', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: image('x').digest, size: 2 };
    repository.tag('v1', image('chart', amd64, { config }));
    await expect(registry.readImage(reference, [amd64], [], never)).rejects.toMatchObject({ code: 'no_platform' });
    const one = image('one');
    repository.tag('v1', index([{ item: one, platform: amd64 }]));
    server.on('GET', `/v2/app/web/manifests/${one.digest}`, { status: 503 });
    await expect(registry.readImage(reference, [amd64], [], never)).rejects.toMatchObject({ code: 'upstream' });
  });

  test('by digest a HEAD that names another digest, or none, is checked by its bytes', async () => {
    const { server, repository, registry } = await startOpen();
    const one = image('one');
    repository.put(one);
    const path = `/v2/app/web/manifests/${one.digest}`;
    const reference = referenceOf(server, `app/web@${one.digest}`);
    for (const digest of [image('two').digest, '']) {
      server.on('HEAD', path, { status: 200, headers: { 'docker-content-digest': digest } });
      expect(await registry.headManifest(reference, [], never)).toEqual({ digest: one.digest });
    }
    server.on('GET', path, { status: 200, body: image('two').bytes });
    await expect(registry.headManifest(reference, [], never)).rejects.toMatchObject({ detail: 'digest_mismatch' });
  });
});

describe('tags', () => {
  const path = '/v2/app/web/tags/list';
  async function start(pages: (query: URLSearchParams, server: StubServer) => Answer) {
    const server = await startServer();
    server.on('GET', path, (request) => pages(new URL(request.path, server.url).searchParams, server));
    return { server, list: () => clientOf([plain(server)]).listTags(referenceOf(server), [], never) };
  }
  const names = (from: number, to: number) => Array.from({ length: to - from }, (_, number) => `v${from + number}`);

  test.each([
    ['relative', (link: string) => link],
    ['whole', (link: string, server: StubServer) => `${server.url}${link}`],
  ])('pages are followed by a %s Link', async (_, write) => {
    const { server, list } = await start((query, own) =>
      query.get('last') === 'v1'
        ? { status: 200, body: { tags: ['v2', 'v3'] } }
        : {
            status: 200,
            headers: { link: `<${write(`${path}?last=v1&n=2`, own)}>; rel="next"` },
            body: { tags: ['v0', 'v1'] },
          },
    );
    expect(await list()).toEqual(['v0', 'v1', 'v2', 'v3']);
    expect(server.requests).toHaveLength(2);
  });

  test('a Link to another host gets no request', async () => {
    const other = await startServer();
    const { list } = await start(() => ({
      status: 200,
      headers: { link: `<${other.url}${path}?last=v1>; rel="next"` },
      body: { tags: ['v1'] },
    }));
    await expect(list()).rejects.toMatchObject({ code: 'upstream' });
    expect(other.requests).toEqual([]);
  });

  test('without Link a full page is followed by the next, a short one is the last', async () => {
    const { server, list } = await start((query) => {
      const from = query.get('last') === null ? 0 : Number(query.get('last')?.slice(1)) + 1;
      return { status: 200, body: { tags: names(from, Math.min(from + Number(query.get('n')), 2_300)) } };
    });
    expect(await list()).toEqual(names(0, 2_300));
    expect(server.requests).toHaveLength(3);
  });

  test('a registry that gives the same page for ever comes to an end', async () => {
    const { server, list } = await start(() => ({ status: 200, body: { tags: names(0, 1_000) } }));
    expect(await list()).toHaveLength(1_000);
    expect(server.requests).toHaveLength(2);
    const circle = await start(() => ({
      status: 200,
      headers: { link: `<${path}?last=v1>; rel="next"` },
      body: { tags: ['v1'] },
    }));
    expect(await circle.list()).toEqual(['v1']);
  });

  test.each<[string, Answer, object]>([
    ['an HTML page', { status: 200, body: '<html>' }, { code: 'upstream' }],
    ['no list', { status: 200, body: { name: 'app/web' } }, { code: 'upstream' }],
    [
      'Harbor, whose upstream seems unhealthy',
      { status: 404, body: errors('NOT_FOUND', 'repository px/lib/gone not found') },
      { code: 'not_found', detail: 'not_found_proxy' },
    ],
  ])('%s is no empty list', async (_, answer, expected) => {
    const { list } = await start(() => answer);
    await expect(list()).rejects.toMatchObject(expected);
  });

  test('null is an empty list, and what is no tag is left out', async () => {
    const { list } = await start(() => ({ status: 200, body: { tags: null } }));
    expect(await list()).toEqual([]);
    const odd = await start(() => ({ status: 200, body: { tags: ['v1', '../v2', 7, ''] } }));
    expect(await odd.list()).toEqual(['v1']);
  });
});

describe('signatures', () => {
  const configType = 'application/vnd.oci.image.config.v1+json';
  const simple = { kind: 'simple', payload: Buffer.from('{"critical":{}}'), signature: 'MEQ=' } as const;
  async function start(): Promise<{
    server: StubServer;
    repository: SourceRepository;
    one: BuiltSource;
    read: () => Promise<unknown>;
  }> {
    const server = await startServer();
    const repository = new SourceRepository('app/web');
    server.use(repository.handler);
    const one = buildSourceIndex('one', [amd64]);
    repository.push('v1', one);
    const read = () => clientOf([plain(server)]).readSignatures(referenceOf(server), one.source.digest, [], never);
    return { server, repository, one, read };
  }
  const answerReferrers = (server: StubServer, digest: string, entries: readonly [Stored, string][]) =>
    server.on('GET', `/v2/app/web/referrers/${digest}`, {
      status: 200,
      body: {
        schemaVersion: 2,
        manifests: entries.map(([item, artifactType]) => ({
          mediaType: ociManifest,
          digest: item.digest,
          size: item.bytes.length,
          artifactType,
        })),
      },
    });

  test("Harbor names a signature under cosign's tag as a referrer too, by the config's type: it is one signature", async () => {
    const { server, repository, one, read } = await start();
    repository.sign(one.source.digest, simple);
    const { manifest } = toSignatureManifest(one.source.digest, simple);
    answerReferrers(server, one.source.digest, [[manifest, configType]]);
    expect(await read()).toEqual([simple]);
  });

  test('other things that refer to the image are not even read', async () => {
    const { server, repository, one, read } = await start();
    const sbom = store(ociManifest, { schemaVersion: 2, layers: [] });
    repository.putManifest(sbom);
    answerReferrers(server, one.source.digest, [
      [sbom, 'application/vnd.goharbor.harbor.sbom.v1'],
      [sbom, 'application/vnd.cncf.notary.signature'],
    ]);
    expect(await read()).toEqual([]);
    expect(server.requests.filter(({ path }) => path.endsWith(sbom.digest))).toEqual([]);
  });

  test('a registry without referrers is asked for their fallback tag', async () => {
    const { server, repository, one, read } = await start();
    const bundle = { kind: 'bundle', bundle: Buffer.from('{"x":1}') } as const;
    repository.sign(one.source.digest, bundle);
    const { manifest } = toSignatureManifest(one.source.digest, bundle);
    repository.putManifest(index([{ item: manifest }]), one.source.digest.replace(':', '-'));
    server.on('GET', `/v2/app/web/referrers/${one.source.digest}`, { status: 404, body: '404 page not found' });
    expect(await read()).toEqual([bundle]);
  });

  test("an index of referrers has pages too, and Harbor names the config's type in it", async () => {
    const { server, repository, one, read } = await start();
    const path = `/v2/app/web/referrers/${one.source.digest}`;
    const { blob, manifest } = toSignatureManifest(one.source.digest, simple);
    repository.putBlob(blob);
    repository.putManifest(manifest);
    server.on('GET', path, (request) =>
      request.path.includes('?')
        ? {
            status: 200,
            body: {
              manifests: [{ mediaType: ociManifest, digest: manifest.digest, size: 1, artifactType: configType }],
            },
          }
        : { status: 200, headers: { link: `<${path}?page=2>; rel="next"` }, body: { manifests: [] } },
    );
    expect(await read()).toEqual([simple]);
  });

  test.each<[string, Answer]>([
    ['that fails', { status: 503 }],
    ['whose core restarts', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }],
  ])('a registry %s does not make an image unsigned', async (_, answer) => {
    const { server, one, read } = await start();
    for (const path of [`referrers/${one.source.digest}`, `manifests/${one.source.digest.replace(':', '-')}.sig`]) {
      let isAnswered = false;
      server.use((request) => {
        if (!request.path.endsWith(path) || isAnswered) return undefined;
        isAnswered = true;
        return answer;
      });
      await expect(read()).rejects.toMatchObject({ code: 'upstream' });
    }
  });
});

test('an HTML page is no list of referrers', async () => {
  const { server, registry, reference } = await startOpen();
  const { digest } = image('one');
  const headers = { 'content-type': ociIndex };
  server.on('GET', `/v2/app/web/referrers/${digest}`, { status: 200, headers, body: '<html>' });
  await expect(registry.readSignatures(reference, digest, [], never)).rejects.toMatchObject({ code: 'upstream' });
});

test('one repository says nothing about another', async () => {
  const { server, registry } = await startOpen();
  const other = new Repository('app/other');
  other.tag('v1', image('other'));
  server.use(other.handler);
  await expect(registry.headManifest(referenceOf(server), [], never)).rejects.toMatchObject({ code: 'not_found' });
});
