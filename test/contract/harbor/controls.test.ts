/** What only the double has: its gateways, faults, clocks and the rest of its control object. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeCertificates } from '../../harness/api-server/certificates.ts';
import {
  type Harbor,
  htmlPage,
  parseRights,
  plainError,
  startGateway,
  startHarbor,
  toBasic,
} from '../../harness/harbor/harbor.ts';
import { buildImage, buildLayer } from '../../harness/images.ts';
import { describeWith, needs } from '../../harness/needs.ts';
import { ask, open } from './client.ts';
import { until } from './proxy-bench.ts';
import { firstError, manifestTypes } from './subject.ts';

function makeImage(sizeBytes = 3_000, seed = 'controls') {
  return buildImage({ layers: [buildLayer({ seed, sizeBytes })] });
}

describeWith(needs.registry, 'the control object of the double', () => {
  let harbor: Harbor;
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    ask(harbor.url, {
      method,
      path,
      headers: {
        authorization: toBasic(harbor.admin),
        accept: path.startsWith('/v2') ? manifestTypes : '*/*',
        ...headers,
      },
    });

  beforeEach(async () => {
    harbor = await startHarbor({ timing: { checkPeriodMs: 20 } });
    harbor.addProject('app');
    harbor.addProject('px', { proxyOf: harbor.upstream });
  });
  afterEach(() => harbor.remove());

  for (const passesAborts of [true, false]) {
    test(`behind a gateway that ${passesAborts ? 'passes on' : 'swallows'} an abort, what was asked for is ${passesAborts ? 'left' : 'read to the end'}`, async () => {
      const image = makeImage(6_000_000);
      const digest = image.layers[0]?.digest ?? '';
      await harbor.upstream.registry.push('lib/app', 'v1', image);
      harbor.upstream.registry.faults.bytesPerSecond = 3_000_000;
      const gateway = await startGateway({ target: harbor.host, passesAborts });
      const end = new AbortController();
      const headers = { authorization: toBasic(harbor.admin) };
      const path = `/v2/px/lib/app/blobs/${digest}`;
      await open(`http://${gateway.host}`, { method: 'GET', path, headers, signal: end.signal });
      end.abort();
      await until(async () => (await get(path, {}, 'HEAD')).status === 200);
      await until(async () => harbor.upstream.registry.requests.every(({ endedAt }) => endedAt !== undefined));
      expect(gateway.aborted).toBe(1);
      expect(harbor.upstream.counts()).toMatchObject({ blobs: 2, completeBlobs: passesAborts ? 1 : 2 });
      await gateway.stop();
    });
  }

  test('a manifest that was only read: the background fetches every blob once, and a blob that is gone is cold again', async () => {
    const image = makeImage();
    await harbor.upstream.registry.push('lib/app', 'v1', image);
    await get(`/v2/px/lib/app/manifests/${image.manifestDigest}`);
    await harbor.settled();
    expect(harbor.upstream.counts()).toMatchObject({ heads: 1, manifests: 1, blobs: 2, completeBlobs: 2 });
    expect(harbor.artifact('px/lib/app', image.manifestDigest).blobs).toHaveLength(2);
    const path = `/v2/px/lib/app/blobs/${image.layers[0]?.digest}`;
    await harbor.evict('px/lib/app', image.layers[0]?.digest ?? '');
    expect((await get(path, {}, 'HEAD')).status).toBe(404);
    await get(path);
    expect(harbor.requests.at(-1)?.upstream).toEqual({ heads: 0, manifests: 0, blobs: 2 });
    await harbor.evict('px/lib/app', image.manifestDigest);
    expect((await get(`/api/v2.0/projects/px/repositories/lib%252Fapp/artifacts/${image.manifestDigest}`)).status).toBe(
      404,
    );
  });

  test('a GET of a manifest counts as a pull, a HEAD and a 304 do not', async () => {
    const image = makeImage();
    const { digest } = await harbor.push('app/web', 'v1', image, new Date('2026-01-01T00:00:00Z'));
    await get('/v2/app/web/manifests/v1', {}, 'HEAD');
    await get('/v2/app/web/manifests/v1', { 'if-none-match': `"${digest}"` });
    expect(harbor.artifact('app/web', 'v1')).toMatchObject({ pulledAt: undefined });
    await get(`/v2/app/web/manifests/${digest}`);
    expect(harbor.artifact('app/web', 'v1').pulledAt).toBeInstanceOf(Date);
    const { body } = await get('/api/v2.0/projects/app/repositories/web/artifacts');
    const [artifact] = JSON.parse(body.toString()) as { push_time: string; tags: { pull_time: string }[] }[];
    expect(artifact).toMatchObject({
      push_time: '2026-01-01T00:00:00.000Z',
      tags: [{ pull_time: '0001-01-01T00:00:00.000Z' }],
    });
  });

  test('blobs from another host, which sees what headers come along', async () => {
    const image = makeImage();
    await harbor.push('app/web', 'v1', image);
    harbor.installation.redirectsBlobs = true;
    const { status, headers } = await get(`/v2/app/web/blobs/${image.layers[0]?.digest}`);
    expect(status).toBe(307);
    const location = new URL(headers['location'] ?? '');
    expect(location.host).toBe(harbor.storageHost.host);
    expect(location.hostname).not.toBe(new URL(harbor.url).hostname);
    const path = `${location.pathname}${location.search}`;
    const { body } = await ask(location.origin, { method: 'GET', path, headers: { authorization: 'Basic eDp5' } });
    expect(body).toEqual(image.layers[0]?.blob);
    const part = await ask(location.origin, { method: 'GET', path, headers: { range: 'bytes=1-2' } });
    expect(part).toMatchObject({ status: 206, body: image.layers[0]?.blob.subarray(1, 3) });
    expect(harbor.storageHost.requests.map(({ hasAuthorization }) => hasAuthorization)).toEqual([true, false]);
  });

  test('answers instead of Harbor, and requests that are never answered', async () => {
    harbor.faults.answer = (_, path) => (path === '/v2/' ? htmlPage(503, 'Service Unavailable') : undefined);
    const page = await get('/v2/');
    expect(page).toMatchObject({ status: 503, headers: { 'content-type': 'text/html' } });
    harbor.faults.answer = () => plainError(429, { 'Retry-After': '7' });
    expect(await get('/v2/')).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
    harbor.faults.answer = undefined;
    harbor.faults.hang = (method) => method === 'HEAD';
    const end = new AbortController();
    const hanging = open(harbor.url, { method: 'HEAD', path: '/v2/', signal: end.signal }).catch(() => 'left');
    await until(async () => harbor.requests.some(({ method }) => method === 'HEAD'));
    expect((await get('/v2/')).status).toBe(200);
    end.abort();
    expect(await hanging).toBe('left');
    expect(harbor.requests.filter(({ status }) => status === 0)).toHaveLength(1);
  });

  test('robots end, tokens end, and the requests say who asked', async () => {
    await harbor.push('app/web', 'v1', makeImage());
    const robot = harbor.addRobot({ project: 'app', name: 'pull', permissions: parseRights('repository:pull') });
    const authorization = toBasic(harbor.loginOf(robot));
    expect((await get('/v2/app/web/manifests/v1', { authorization })).status).toBe(200);
    expect(harbor.requests.at(-1)).toMatchObject({ user: 'robot$app+pull', hasAuthorization: true, status: 200 });
    const path = '/service/token?service=harbor-registry&scope=repository:app/web:pull';
    const { token } = JSON.parse((await get(path, { authorization })).body.toString()) as { token: string };
    const bearer = { authorization: `Bearer ${token}` };
    expect((await get('/v2/app/web/manifests/v1', bearer)).status).toBe(200);
    harbor.expireTokens();
    expect(await get('/v2/app/web/manifests/v1', bearer)).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="harbor"' },
    });
    robot.expiresAt = new Date(Date.now() - 1);
    expect((await get('/v2/', { authorization })).status).toBe(401);
    robot.expiresAt = undefined;
    robot.disabled = true;
    expect((await get('/v2/', { authorization })).status).toBe(401);
  });

  test('more than a page of artifacts', async () => {
    for (let at = 0; at < 103; at += 1) {
      const manifest = Buffer.from(
        JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { at: String(at) } }),
      );
      harbor.catalogue.add('app/many', 1, { content: manifest, mediaType: 'application/vnd.oci.image.index.v1+json' });
    }
    const path = '/api/v2.0/projects/app/repositories/many/artifacts?page_size=100';
    const first = await get(path);
    expect(JSON.parse(first.body.toString())).toHaveLength(100);
    expect(first.headers).toMatchObject({ 'x-total-count': '103' });
    expect(first.headers['link']).toBe(
      '</api/v2.0/projects/app/repositories/many/artifacts?page=2&page_size=100>; rel="next"',
    );
    expect(JSON.parse((await get(`${path}&page=2`)).body.toString())).toHaveLength(3);
  });

  test('what is pushed over HTTP is there as well, and a proxy project takes nothing', async () => {
    expect(await get('/v2/px/lib/app/blobs/uploads/', {}, 'POST')).toMatchObject({ status: 403 });
    expect(firstError(await get('/v2/px/lib/app/blobs/uploads/', {}, 'POST'))?.code).toBe('DENIED');
    const begun = await get('/v2/app/web/blobs/uploads/', {}, 'POST');
    expect(begun.status).toBe(202);
    expect(begun.headers['location']).toMatch(new RegExp(`^${harbor.url}/v2/app/web/blobs/uploads/`));
  });
});

describeWith(needs.registry, 'the double over TLS', () => {
  test('its realm has its own scheme, or the one of a wrong external URL', async () => {
    const { ca, cert, key } = makeCertificates();
    const harbor = await startHarbor({ tls: { cert, key } });
    const { Agent, fetch } = await import('undici');
    const dispatcher = new Agent({ connect: { ca } });
    const realmOf = async () => (await fetch(`${harbor.url}/v2/`, { dispatcher })).headers.get('www-authenticate');
    expect(await realmOf()).toBe(`Bearer realm="https://${harbor.host}/service/token",service="harbor-registry"`);
    harbor.installation.externalScheme = 'http';
    expect(await realmOf()).toBe(`Bearer realm="http://${harbor.host}/service/token",service="harbor-registry"`);
    await dispatcher.close();
    await harbor.remove();
  });
});
