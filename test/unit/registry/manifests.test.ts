import { describe, expect, test } from 'vitest';
import type { Answer } from './stub-server.ts';
import { amd64, dockerList, image, index, ociIndex, store } from './images.ts';
import { never, referenceOf, startOpen } from './setup.ts';

const arm64 = { os: 'linux', architecture: 'arm64' };

describe('resolving a tag', () => {
  test('one HEAD that accepts all four manifest types and anything else', async () => {
    const { server, repository, registry, reference } = await startOpen();
    repository.tag('v1', image('one'));
    await registry.resolveDigest(reference, [], never);
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD']);
    const accept = server.requests[0]?.headers.accept ?? '';
    expect(accept.split(', ')).toEqual([
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
      'application/vnd.oci.image.manifest.v1+json',
      'application/vnd.docker.distribution.manifest.v2+json',
      '*/*',
    ]);
  });

  test.each<[string, Answer]>([
    ['no digest', { status: 200 }],
    ['an empty digest, as a cold proxy project of Harbor', { status: 200, headers: { 'docker-content-digest': '' } }],
    ['a digest that is none', { status: 200, headers: { 'docker-content-digest': 'sha256:abc' } }],
    ['method not allowed', { status: 405 }],
  ])('a HEAD with %s: the bytes are hashed', async (_, answer) => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    repository.tag('v1', one);
    server.on('HEAD', '/v2/app/web/manifests/v1', answer);
    expect(await registry.resolveDigest(reference, [], never)).toBe(one.digest);
  });

  test('of a GET by tag the bytes count, not what the header says', async () => {
    const { server, registry, reference } = await startOpen();
    const one = image('one');
    server.on('HEAD', '/v2/app/web/manifests/v1', { status: 200 });
    server.on('GET', '/v2/app/web/manifests/v1', {
      status: 200,
      headers: { 'content-type': one.mediaType, 'docker-content-digest': '' },
      body: one.bytes,
    });
    expect(await registry.resolveDigest(reference, [], never)).toBe(one.digest);
  });
});

describe('choosing the image', () => {
  test('the best platform match, not the first; attestations are no images', async () => {
    const { repository, registry, reference } = await startOpen();
    const [i386, one, attestation] = [
      image('386', { os: 'linux', architecture: '386' }),
      image('one'),
      image('attestation'),
    ];
    const all = index([
      { item: attestation, platform: { os: 'unknown', architecture: 'unknown' } },
      { item: i386, platform: { os: 'linux', architecture: '386' } },
      { item: image('arm', arm64), platform: arm64 },
      { item: one, platform: { os: 'linux', architecture: 'x86_64' } },
    ]);
    repository.put(one, i386);
    repository.tag('v1', all);
    expect(await registry.readManifest(reference, [], never)).toEqual({ ...one.summary, digest: all.digest });
  });

  test('a Docker list, and an image manifest that only its Content-Type names', async () => {
    const { repository, registry, reference } = await startOpen();
    const one = image('one', amd64, { mediaType: undefined });
    const list = index([{ item: one, platform: amd64 }], dockerList);
    repository.put(one);
    repository.tag('v1', list);
    expect(await registry.readManifest(reference, [], never)).toEqual({ ...one.summary, digest: list.digest });
  });

  test('nothing for this platform: no_platform, with what there is', async () => {
    const { repository, registry, reference } = await startOpen();
    repository.tag('v1', index([{ item: image('arm', arm64), platform: arm64 }]));
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({
      code: 'no_platform',
      message: expect.stringMatching(/linux\/amd64.*linux\/arm64/),
    });
  });

  test('entries without a platform are known by their config, and come last', async () => {
    const { repository, registry, reference } = await startOpen();
    const [arm, one] = [image('arm', arm64), image('one')];
    repository.put(arm, one);
    repository.tag('v1', index([{ item: arm }, { item: one }]));
    expect(await registry.readManifest(reference, [], never)).toMatchObject({ manifestDigest: one.digest });

    const named = image('named');
    repository.put(named);
    repository.tag('v1', index([{ item: one }, { item: named, platform: amd64 }]));
    expect(await registry.readManifest(reference, [], never)).toMatchObject({ manifestDigest: named.digest });
  });

  test('an index in an index is followed, but not for ever', async () => {
    const { repository, registry, reference } = await startOpen();
    const one = image('one');
    const levels = [index([{ item: one, platform: amd64 }])];
    for (let depth = 0; depth < 3; depth += 1) levels.push(index([{ item: levels.at(-1) ?? one }]));
    repository.put(one, ...levels);
    for (const [number, level] of levels.entries()) repository.tag(`depth${number + 1}`, level);
    repository.tag('v1', levels[2] ?? one);
    expect(await registry.readManifest(reference, [], never)).toMatchObject({ manifestDigest: one.digest });
    const tooDeep = referenceOf({ host: reference.registry }, 'app/web:depth4');
    await expect(registry.readManifest(tooDeep, [], never)).rejects.toMatchObject({ code: 'no_platform' });
  });

  test('a single image for another platform is taken as it is, as the runtimes do', async () => {
    const { repository, registry, reference } = await startOpen();
    const arm = image('arm', arm64);
    repository.tag('v1', arm);
    expect(await registry.readManifest(reference, [], never)).toEqual(arm.summary);
  });

  test('a chart is no image', async () => {
    const { repository, registry, reference } = await startOpen();
    const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: image('x').digest, size: 2 };
    repository.tag('v1', image('chart', amd64, { config }));
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({
      code: 'no_platform',
      message: expect.stringContaining('helm'),
    });
  });
});

describe('what is not to be trusted', () => {
  const schema1 = store('application/vnd.docker.distribution.manifest.v1+prettyjws', {
    schemaVersion: 1,
    fsLayers: [],
    history: [],
  });
  const both = store(ociIndex, { schemaVersion: 2, manifests: [], config: {}, layers: [] });
  test.each([
    ["Docker's schema 1", schema1, { code: 'other', message: expect.stringContaining('schema 1') }],
    ['an HTML page with status 200', store('text/html', '<html>login</html>'), { code: 'upstream' }],
    ['an index that is an image too', both, { code: 'upstream' }],
    ['JSON that is no manifest', store(ociIndex, '[]'), { code: 'upstream' }],
    [
      'a layer of negative size',
      image('x', amd64, { layers: [{ digest: image('y').digest, size: -1 }] }),
      { code: 'upstream' },
    ],
    [
      'a layer whose digest is a path',
      image('x', amd64, { layers: [{ digest: '../../x', size: 1 }] }),
      { code: 'upstream' },
    ],
  ])('%s', async (_, item, expected) => {
    const { repository, registry, reference } = await startOpen();
    repository.tag('v1', item);
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject(expected);
  });

  test('a manifest that its digest does not name, also inside an index', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    repository.tag('v1', index([{ item: one, platform: amd64 }]));
    server.on('GET', `/v2/app/web/manifests/${one.digest}`, { status: 200, body: image('other').bytes });
    const mismatch = { code: 'upstream', detail: 'digest_mismatch', retryable: true };
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject(mismatch);
    const byDigest = { ...reference, tag: undefined, digest: one.digest };
    await expect(registry.readManifest(byDigest, [], never)).rejects.toMatchObject(mismatch);
  });

  test('a manifest beyond 4 MiB', async () => {
    const { repository, registry, reference } = await startOpen();
    repository.tag('v1', image('big', amd64, { annotations: { x: 'x'.repeat(4 * 1024 * 1024) } }));
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({ code: 'other' });
  });
});

describe('the config', () => {
  test.each<[string, Answer | 'reset']>([
    ['is not there', { status: 404 }],
    ['is refused', { status: 403 }],
    ['was cut short', { status: 200, body: '{"rootfs"' }],
    ['breaks off', 'reset'],
  ])('%s: sizes without chain ids, and the next look tries again', async (_, answer) => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    repository.tag('v1', one);
    let isBroken = true;
    server.use(({ path }) => (isBroken && path.includes('/blobs/') ? answer : undefined));
    expect(await registry.readManifest(reference, [], never)).toEqual({ ...one.summary, chainIds: undefined });
    isBroken = false;
    expect(await registry.readManifest(reference, [], never)).toEqual(one.summary);
  });

  test('with another number of layers than the manifest: no chain ids', async () => {
    const { repository, registry, reference } = await startOpen();
    const one = image('one');
    const two = image('one', amd64, {
      layers: one.summary.layers.slice(0, 1).map(({ digest }) => ({ digest, size: 1 })),
    });
    repository.tag('v1', two);
    expect(await registry.readManifest(reference, [], never)).toMatchObject({
      chainIds: undefined,
      layers: [{ sizeBytes: 1 }],
    });
  });
});

describe('asking again', () => {
  test('an unmoved tag costs one HEAD, a digest nothing', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    repository.tag('v1', one);
    await registry.readManifest(reference, [], never);
    const before = server.requests.length;
    await registry.readManifest(reference, [], never);
    expect(server.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD']);
    await registry.readManifest({ ...reference, tag: undefined, digest: one.digest }, [], never);
    expect(server.requests).toHaveLength(before + 1);
  });

  test('what one repository holds is not taken to be in another', async () => {
    const { server, repository, registry, reference } = await startOpen();
    const one = image('one');
    repository.tag('v1', one);
    await registry.readManifest(reference, [], never);
    const elsewhere = referenceOf(server, `app/other@${one.digest}`);
    await expect(registry.readManifest(elsewhere, [], never)).rejects.toMatchObject({ code: 'not_found' });
  });
});
