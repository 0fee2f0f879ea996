/** Blobs that nobody keeps: whether they are there, opened and left, read to nowhere. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { errors, findSecrets } from './harbor-stub.ts';
import { clientOf, never, plain, referenceOf, startHarbor, startServer } from './setup.ts';
import { type Reply, type SeenRequest, sha256 } from './stub-server.ts';

const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
const blob = { digest: sha256(bytes), sizeBytes: bytes.length };
const path = `/v2/app/web/blobs/${blob.digest}`;
const mismatch = { code: 'upstream', detail: 'digest_mismatch' };

async function start(reply: (request: SeenRequest, times: number) => Reply, idleMs = 30_000) {
  const server = await startServer();
  const settings = plain(server, { harbor: true });
  const source = clientOf([settings], { resumeDelayMs: 1, timeouts: { idleMs } });
  let times = 0;
  server.use((request) => (request.path === path ? reply(request, ++times) : undefined));
  const ranges = () => server.requests.map(({ headers }) => headers.range);
  return { server, source, reference: referenceOf(server), ranges };
}

function part(from: number, to: number, more: object = {}): Reply {
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  const length = { 'content-length': String(bytes.length - from) };
  const headers = from === 0 ? length : { ...length, ...range };
  return { status: from === 0 ? 200 : 206, headers, body: bytes.subarray(from, to), ...more };
}

describe('whether a blob is there', () => {
  test('a redirect to the storage means that it is, and is not followed', async () => {
    const storage = await startServer();
    const { source, reference } = await start(() => ({ status: 307, headers: { location: `${storage.url}/data` } }));
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(true);
    await source.touchBlob(reference, blob.digest, [], never);
    expect(storage.requests).toEqual([]);
  });

  test("a redirect to another name in the registry is followed: Docker Hub's library/", async () => {
    const { server, source } = await start(() => 'hang');
    server.use((request) =>
      request.path.startsWith('/v2/hub/nginx/')
        ? { status: 301, headers: { location: request.path.replace('/hub/', '/hub/library/') } }
        : undefined,
    );
    const reference = referenceOf(server, 'hub/nginx:v1');
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(false);
    server.on('HEAD', `/v2/hub/library/nginx/blobs/${blob.digest}`, { status: 200 });
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(true);
    server.on('GET', `/v2/hub/library/nginx/blobs/${blob.digest}`, { status: 200, body: bytes });
    await source.discardBlob(reference, blob, [], never);
  });

  test('once the registry has sent a read elsewhere for good, HEADs go there too, which it would not redirect', async () => {
    const { server, source } = await start(() => ({ status: 404 }));
    const location = `/v2/hub/library/nginx/blobs/${blob.digest}`;
    server.use(({ method, path }) =>
      method === 'GET' && path.startsWith('/v2/hub/nginx/') ? { status: 301, headers: { location } } : undefined,
    );
    server.on('HEAD', location, { status: 200 });
    server.on('GET', location, { status: 200, body: bytes });
    const reference = referenceOf(server, 'hub/nginx:v1');
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(false);
    await source.touchBlob(reference, blob.digest, [], never);
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(true);
  });

  test('a redirect that is not for good is asked for again', async () => {
    const { server, source } = await start(() => ({ status: 404 }));
    const location = `/v2/hub/other/blobs/${blob.digest}`;
    server.use(({ method, path }) =>
      method === 'GET' && path.startsWith('/v2/hub/nginx/') ? { status: 307, headers: { location } } : undefined,
    );
    server.on('HEAD', location, { status: 200 });
    server.on('GET', location, { status: 200, body: bytes });
    const reference = referenceOf(server, 'hub/nginx:v1');
    await source.discardBlob(reference, blob, [], never);
    expect(await source.hasBlob(reference, blob.digest, [], never)).toBe(false);
  });

  test.each([
    [429, 'rate_limited'],
    [500, 'upstream'],
    [403, 'auth'],
  ])('%i is no answer', async (status, code) => {
    const { source, reference } = await start(() => ({ status }));
    await expect(source.hasBlob(reference, blob.digest, [], never)).rejects.toMatchObject({ code });
  });
});

describe('opening a blob', () => {
  test('the connection is closed with the headers, without waiting for the body', async () => {
    const { server, source, reference } = await start(() => ({ status: 200, body: 'first bytes', then: 'hang' }));
    const { headersMs } = await source.touchBlob(reference, blob.digest, [], never);
    expect(headersMs).toBeGreaterThan(0);
    await expect.poll(() => server.left.map(({ method }) => method)).toEqual(['GET']);
    await source.touchBlob(reference, blob.digest, [], never);
    await expect.poll(() => server.left.length).toBe(2);
  });

  test.each<[string, Reply, object]>([
    [
      'Harbor believes its upstream unhealthy',
      { status: 404, body: errors('BLOB_UNKNOWN', 'blob unknown to registry') },
      { code: 'not_found', detail: 'not_found_proxy', retryable: true },
    ],
    [
      'the upstream itself has it not',
      { status: 404, body: errors('NOT_FOUND', 'http status code: 404, body: {"errors":[]}') },
      { code: 'not_found', detail: undefined, retryable: false },
    ],
    ['the upstream is down', { status: 500, body: errors('UNKNOWN', 'internal server error') }, { code: 'upstream' }],
    [
      'the upstream limits',
      { status: 429, body: errors('TOO_MANY_REQUEST', 'too many requests to upstream registry') },
      { code: 'rate_limited', retryAfterMs: undefined },
    ],
    ['an HTML page', { status: 502, body: '<html>502</html>' }, { code: 'upstream' }],
  ])('%s', async (_, reply, expected) => {
    const { source, reference } = await start(() => reply);
    await expect(source.touchBlob(reference, blob.digest, [], never)).rejects.toMatchObject(expected);
    await expect(source.discardBlob(reference, blob, [], never)).rejects.toMatchObject(expected);
  });
});

describe('reading a blob to nowhere', () => {
  test('a connection that breaks goes on where it broke, as often as it gains something', async () => {
    const { source, reference, ranges } = await start(
      (_, times) =>
        times < 5
          ? part((times - 1) * 2_000, times * 2_000, { then: times === 2 ? 'hang' : 'cut' })
          : part(8_000, 10_000),
      1_500,
    );
    let seen = 0;
    await source.discardBlob(reference, blob, [], never, (more) => {
      seen += more;
    });
    expect(ranges()).toEqual([undefined, 'bytes=2000-', 'bytes=4000-', 'bytes=6000-', 'bytes=8000-']);
    expect(seen).toBe(bytes.length);
  });

  test.each<[string, Reply]>([
    ['the whole blob instead of the rest', part(0, 10_000)],
    ['another range', { status: 206, headers: { 'content-range': `bytes 3-9999/10000` }, body: bytes.subarray(3) }],
    ['a range of another blob', { status: 206, headers: { 'content-range': 'bytes 4000-9999/20000' }, body: 'x' }],
    ['a range without saying which', { status: 206, body: bytes.subarray(4_000) }],
    ['no such range', { status: 416, headers: { 'content-range': 'bytes */3000' }, body: 'invalid range' }],
  ])('after a break it gets %s: it starts again', async (_, reply) => {
    const { source, reference, ranges } = await start((request, times) => {
      if (times === 1) return part(0, 4_000, { then: 'cut' });
      return request.headers.range === undefined ? part(0, 10_000) : reply;
    });
    await source.discardBlob(reference, blob, [], never);
    expect(ranges().slice(0, 2)).toEqual([undefined, 'bytes=4000-']);
  });

  test('three breaks without a byte gained are enough', async () => {
    const { source, reference, ranges } = await start((_, times) =>
      times === 1 ? part(0, 4_000, { then: 'cut' }) : 'reset',
    );
    await expect(source.discardBlob(reference, blob, [], never)).rejects.toMatchObject({ code: 'network' });
    expect(ranges()).toEqual([undefined, ...Array.from({ length: 3 }, () => 'bytes=4000-')]);
  });

  test("Harbor's 200 that ends normally with an error appended, since the upstream broke off", async () => {
    const error = '{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}';
    const cut = Buffer.concat([bytes.subarray(0, 4_000), Buffer.from(error)]);
    const { source, reference } = await start(() => ({ status: 200, chunked: true, body: cut }));
    await expect(source.discardBlob(reference, blob, [], never)).rejects.toMatchObject({
      ...mismatch,
      message: expect.stringMatching(/ends after 40\d\d of 10000 bytes, with an error at its end/),
      retryable: true,
    });
    const padded = Buffer.concat([bytes.subarray(0, 10_000 - error.length), Buffer.from(error)]);
    const other = await start(() => ({ status: 200, chunked: true, body: padded }));
    await expect(other.source.discardBlob(other.reference, blob, [], never)).rejects.toMatchObject(mismatch);
  });

  test.each<[string, Reply]>([
    ['other bytes of the same length', { status: 200, body: Buffer.alloc(bytes.length) }],
    ['more bytes, and no end', { status: 200, chunked: true, body: Buffer.concat([bytes, bytes]), then: 'hang' }],
    ['fewer bytes', { status: 200, chunked: true, body: bytes.subarray(1) }],
    ['a length that cannot be right, and then nothing', { status: 200, body: 'x', then: 'hang' }],
  ])('%s: digest_mismatch', async (_, reply) => {
    const { source, reference } = await start(() => reply);
    await expect(source.discardBlob(reference, blob, [], never)).rejects.toMatchObject(mismatch);
  });

  test('sha512 is checked too, and other algorithms are refused', async () => {
    const { server, source, reference } = await start(() => 'hang');
    const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
    server.on('GET', `/v2/app/web/blobs/${digest}`, { status: 200, body: bytes });
    await source.discardBlob(reference, { ...blob, digest }, [], never);
    server.on('GET', `/v2/app/web/blobs/${digest}`, { status: 200, body: Buffer.alloc(bytes.length) });
    await expect(source.discardBlob(reference, { ...blob, digest }, [], never)).rejects.toMatchObject(mismatch);
    const sha384 = { ...blob, digest: `sha384:${'0'.repeat(96)}` };
    await expect(source.discardBlob(reference, sha384, [], never)).rejects.toMatchObject({ code: 'other' });
  });

  test('an abort closes the connection and throws its reason', async () => {
    const { server, source, reference } = await start(() => part(0, 4_000, { then: 'hang' }));
    const controller = new AbortController();
    const reason = new Error('enough');
    const pending = source.discardBlob(reference, blob, [], controller.signal, () => controller.abort(reason));
    await expect(pending).rejects.toBe(reason);
    await expect.poll(() => server.left.length).toBe(1);
  });

  test('from the storage that a redirect names, also the rest after a break, and without the credential', async () => {
    const storage = await startServer();
    const { server, harbor, registry, credential, reference } = await startHarbor({ client: { resumeDelayMs: 1 } });
    server.use(harbor.protect(() => ({ status: 307, headers: { location: `${storage.url}/data?X-Signature=s` } })));
    server.use(harbor.tokenService);
    storage.on('GET', '/data', ({ headers }) =>
      headers.range === undefined ? part(0, 4_000, { then: 'cut' }) : part(4_000, 10_000),
    );
    await registry.discardBlob(reference, blob, [credential], never);
    expect(storage.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=4000-']);
    expect(findSecrets(storage.requests, [credential])).toEqual([]);
  });

  test('a download takes as long as it takes, while bytes come', async () => {
    const server = await startServer();
    const source = clientOf([plain(server)], { timeouts: { totalMs: 2_000 } });
    server.stream(path, bytes, 5, 500);
    await source.discardBlob(referenceOf(server), blob, [], never);
  });
});
