import { createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ImageReference, parseReference } from '../../../agent/core/image-reference.ts';
import type { EndpointSettings } from '../../../agent/registry/endpoint.ts';
import { errors } from './harbor-stub.ts';
import { image } from './images.ts';
import { clientOf, never, plain, referenceOf, startOpen, startServer } from './setup.ts';
import type { Answer } from './stub-server.ts';

const policyText =
  'current image without vulnerability scanning cannot be pulled due to configured policy in \'Prevent images with vulnerability severity of "High" or higher from running.\'';

const refusals: [string, Answer, object][] = [
  [
    '404, Harbor of a proxy project whose upstream is away',
    { status: 404, body: errors('NOT_FOUND', 'repository px/lib/gone not found') },
    { code: 'not_found', detail: 'not_found_proxy', retryable: true },
  ],
  [
    '404, the same of a tag',
    { status: 404, body: errors('NOT_FOUND', 'artifact px/lib/gone:v1 not found') },
    { code: 'not_found', detail: 'not_found_proxy', retryable: true },
  ],
  [
    '404, the upstream itself has it not',
    { status: 404, body: errors('NOT_FOUND', 'resource not found: repo px/lib/cold, tag nosuch not found') },
    { code: 'not_found', detail: undefined, retryable: false },
  ],
  [
    '404 of a plain registry',
    { status: 404, body: errors('NAME_UNKNOWN', 'repository name not known to registry') },
    { code: 'not_found', detail: undefined },
  ],
  ['404 as an HTML page', { status: 404, body: '<html>nothing here</html>' }, { code: 'not_found' }],
  [
    '403',
    { status: 403, body: errors('DENIED', 'requested access to the resource is denied') },
    { code: 'auth', detail: 'auth_failed' },
  ],
  [
    '403 of a full project',
    {
      status: 403,
      body: errors(
        'DENIED',
        'adding 807 B of storage resource, which when updated to current usage of 119.7 KiB will exceed the configured upper limit of 118.5 KiB.',
      ),
    },
    { code: 'quota' },
  ],
  [
    "401 that a proxy project's upstream gave to Harbor",
    { status: 401, body: errors('UNAUTHORIZED', 'http status code: 401, body: denied') },
    { code: 'upstream', detail: 'upstream_unhealthy', retryable: true },
  ],
  ['401 without a challenge', { status: 401 }, { code: 'auth' }],
  [
    '412 by policy',
    { status: 412, body: errors('PROJECTPOLICYVIOLATION', policyText) },
    { code: 'policy', detail: 'policy_blocked', retryable: false, message: expect.stringContaining(policyText) },
  ],
  ['412 else', { status: 412, body: errors('PRECONDITION', 'immutable') }, { code: 'policy', detail: undefined }],
  [
    '429 with seconds',
    { status: 429, headers: { 'retry-after': '30' }, body: errors('TOOMANYREQUESTS', 'slow down') },
    { code: 'rate_limited', retryAfterMs: 30_000 },
  ],
  [
    '429 with a date that is over',
    { status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' } },
    { code: 'rate_limited', retryAfterMs: 0 },
  ],
  [
    '429 of Harbor, without a time',
    { status: 429, body: errors('TOO_MANY_REQUEST', 'too many requests to upstream registry') },
    { code: 'rate_limited', retryAfterMs: undefined, retryable: true },
  ],
  [
    '502 as an HTML page',
    { status: 502, headers: { 'content-type': 'text/html' }, body: '<html><h1>502 Bad Gateway</h1></html>' },
    { code: 'upstream', retryable: true },
  ],
  ['503 with a time', { status: 503, headers: { 'retry-after': '7' } }, { code: 'upstream', retryAfterMs: 7_000 }],
  [
    'a TLS port that hears http',
    { status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' },
    { code: 'tls', message: expect.stringContaining('plainHTTP') },
  ],
  ['something unheard of', { status: 418 }, { code: 'other' }],
];

describe('what a registry refuses', () => {
  test.each(refusals)('%s', async (_, answer, expected) => {
    const { server, registry, reference } = await startOpen();
    server.use(() => answer);
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject(expected);
    await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject(expected);
  });

  test('a HEAD that is refused has no body: one GET brings the reason', async () => {
    const { server, registry, reference } = await startOpen();
    server.use(() => ({ status: 412, body: errors('PROJECTPOLICYVIOLATION', policyText) }));
    await expect(registry.resolveDigest(reference, [], never)).rejects.toThrow(policyText);
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  test.each([500, 502, 503, 429])('a HEAD answered with %i is not asked again at once', async (status) => {
    const { server, registry, reference } = await startOpen();
    server.use(() => ({ status }));
    await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject({ retryable: true });
    expect(server.requests).toHaveLength(1);
  });

  test('a date in Retry-After counts from now', async () => {
    const { server, registry, reference } = await startOpen();
    const at = new Date(Date.now() + 60_000).toUTCString();
    server.use(() => ({ status: 429, headers: { 'retry-after': at } }));
    const error = await registry.readManifest(reference, [], never).catch((one: unknown) => one);
    expect(error).toHaveProperty('retryAfterMs', expect.closeTo(60_000, -4));
  });

  test('messages name the image and what was said, on one short line', async () => {
    const { server, registry, reference } = await startOpen();
    server.use(() => ({ status: 500, body: errors('UNKNOWN', `a\nb\u001b[31m${'x'.repeat(5_000)}`) }));
    const error = await registry.readManifest(reference, [], never).catch((one: unknown) => one);
    const message = error instanceof Error ? error.message : '';
    expect(message).toContain(`${server.host}/app/web:v1`);
    expect(message).toContain('a b');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    expect(message.length).toBeLessThan(700);
  });
});

describe('what the network refuses', () => {
  test('nobody listens, or the connection breaks: network', async () => {
    const gone = await startServer();
    const registry = clientOf([plain(gone)]);
    gone.use(() => 'reset');
    await expect(registry.readManifest(referenceOf(gone), [], never)).rejects.toMatchObject({
      code: 'network',
      retryable: true,
    });
    const reference = referenceOf(gone);
    await gone.close();
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({
      code: 'network',
      detail: undefined,
      message: expect.stringMatching(/ECONNREFUSED/),
    });
  });

  test('a body that breaks off: network', async () => {
    const { server, registry, reference } = await startOpen();
    server.on('GET', '/v2/app/web/manifests/v1', { status: 200, body: '{"schemaVersion":', then: 'cut' });
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({ code: 'network' });
  });

  test('a name that does not exist: dns', async () => {
    const settings = {
      host: 'registry.invalid',
      plainHTTP: true,
      insecureSkipVerify: false,
      caFile: undefined,
      tokenHosts: [],
    };
    const reference = { registry: 'registry.invalid', repository: 'app/web', tag: 'v1', digest: undefined };
    await expect(clientOf([settings]).resolveDigest(reference, [], never)).rejects.toMatchObject({
      code: 'network',
      detail: 'dns',
    });
  });

  test('a plain http server asked over TLS: tls, with the setting that helps', async () => {
    const server = await startServer();
    const registry = clientOf([plain(server, { plainHTTP: false })]);
    await expect(registry.resolveDigest(referenceOf(server), [], never)).rejects.toMatchObject({
      code: 'tls',
      message: expect.stringContaining('plainHTTP'),
    });
  });

  test('a server that speaks no http: tls, with the setting that helps', async () => {
    const reference = await startSocket((socket) => {
      socket.once('data', () => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 0x46])));
    });
    await expect(clientOf([settingsOf(reference, true)]).readManifest(reference, [], never)).rejects.toMatchObject({
      code: 'tls',
      message: expect.stringContaining('plainHTTP'),
    });
  });

  test('a TLS handshake that never ends: timeout, and an abort does not wait for it', async () => {
    const reference = await startSocket(() => undefined);
    const registry = clientOf([settingsOf(reference, false)], { timeouts: { connectMs: 1_500 } });
    const controller = new AbortController();
    const started = performance.now();
    const pending = registry.resolveDigest(reference, [], controller.signal);
    const aborted = expect(pending).rejects.toThrow('no longer desired');
    setImmediate(() => controller.abort(new Error('no longer desired')));
    await aborted;
    expect(performance.now() - started).toBeLessThan(1_000);
    await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject({ code: 'timeout' });
  });

  test('no answer, and an answer that stops: timeout', async () => {
    const { server, registry, reference } = await startOpen({ timeouts: { idleMs: 200 } });
    server.use(() => 'hang');
    await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject({
      code: 'timeout',
      retryable: true,
    });
    server.use(() => ({ status: 200, body: '{', then: 'hang' }));
    await expect(registry.readManifest(reference, [], never)).rejects.toMatchObject({ code: 'timeout' });
  });

  test('an answer that drips on for ever ends too', async () => {
    const { server, registry, reference } = await startOpen({ timeouts: { totalMs: 200 } });
    server.use(() => 'hang');
    await expect(registry.resolveDigest(reference, [], never)).rejects.toMatchObject({ code: 'timeout' });
  });

  test('at most four requests at once reach a host', async () => {
    const { server, repository, registry } = await startOpen();
    const tags = Array.from({ length: 10 }, (_, number) => `v${number}`);
    for (const tag of tags) repository.tag(tag, image(tag));
    const release = server.hold();
    const all = tags.map((tag) => registry.resolveDigest(referenceOf(server, `app/web:${tag}`), [], never));
    await expect.poll(() => server.requests.length).toBe(4);
    const controller = new AbortController();
    const queued = registry.resolveDigest(referenceOf(server), [], controller.signal);
    const aborted = expect(queued).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await aborted;
    expect(server.requests).toHaveLength(4);
    release();
    expect(new Set(await Promise.all(all)).size).toBe(10);
  });
});

/** A server on bare TCP; the reference to ask it for. */
async function startSocket(onConnection: (socket: Socket) => void): Promise<ImageReference> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return parseReference(`127.0.0.1:${typeof address === 'object' ? address?.port : ''}/app/web:v1`);
}

function settingsOf(reference: ImageReference, plainHTTP: boolean): EndpointSettings {
  return { host: reference.registry, plainHTTP, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
}
