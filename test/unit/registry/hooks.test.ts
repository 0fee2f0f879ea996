/** What the registry client tells about its requests, how it names itself, and the limits that its maker sets. */

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { amd64, image } from './images.ts';
import { startForwardProxy } from './forward-proxy.ts';
import { clientOf, never, plain, referenceOf, robot, startHarbor, startOpen, startServer } from './setup.ts';

function recorded() {
  const requests: string[] = [];
  const failures: string[] = [];
  return {
    requests,
    failures,
    client: {
      onRequest: (host: string, operation: string, code: string) => void requests.push(`${host} ${operation} ${code}`),
      onFailure: (host: string, code: string) => void failures.push(`${host} ${code}`),
    },
  };
}

describe('what is told', () => {
  test('every answer by registry, operation and status, logins and redirects too; a failure once, after all of them', async () => {
    const { requests, failures, client } = recorded();
    const { server, repository, registry, credential, reference } = await startHarbor({ client });
    repository.tag('v1', image('one'));
    await registry.readImage(reference, [amd64], [credential], never);
    const { host } = server;
    expect(requests.splice(0)).toEqual([`${host} manifest 401`, `${host} token 200`, `${host} manifest 200`]);
    expect(failures).toEqual([]);

    const wrong = ['first', 'second'].map((name) => new Credential(host, name, 'x'));
    await expect(registry.headManifest(reference, wrong, never)).rejects.toMatchObject({ code: 'auth' });
    expect(failures.splice(0)).toEqual([`${host} auth`]);
    requests.length = 0;
    await expect(registry.listTags(reference, [credential], never)).rejects.toMatchObject({ code: 'not_found' });
    expect(await registry.hasBlob(reference, image('x').digest, [credential], never)).toBe(false);
    await registry.readSignatures(reference, image('one').digest, [credential], never);
    expect(new Set(requests.splice(0))).toEqual(
      new Set([`${host} tags 404`, `${host} blob 404`, `${host} referrers 404`, `${host} manifest 404`]),
    );
    expect(failures.splice(0)).toEqual([`${host} not_found`]);
  });

  test('no answer is an error; an abort is nothing', async () => {
    const { requests, failures, client } = recorded();
    const { server, registry, reference } = await startOpen(client);
    server.use(() => 'reset');
    await expect(registry.headManifest(reference, [], never)).rejects.toMatchObject({ code: 'network' });
    expect([requests.splice(0), failures.splice(0)]).toEqual([
      [`${server.host} manifest error`],
      [`${server.host} network`],
    ]);
    server.use(() => 'hang');
    const controller = new AbortController();
    const pending = expect(registry.headManifest(reference, [], controller.signal)).rejects.toThrow('enough');
    await expect.poll(() => server.requests.length).toBe(2);
    controller.abort(new Error('enough'));
    await pending;
    expect([requests, failures]).toEqual([[], []]);
  });
});

test('every request names the agent and its version', async () => {
  const { server, repository, registry, credential, reference } = await startHarbor({
    client: { userAgent: 'stevedore/1.2.3' },
  });
  repository.tag('v1', image('one'));
  await registry.readManifest(reference, [credential], never);
  await expect(registry.touchBlob(reference, image('x').digest, [credential], never)).rejects.toThrow();
  expect(server.requests.length).toBeGreaterThan(4);
  expect(new Set(server.requests.map(({ headers }) => headers['user-agent']))).toEqual(new Set(['stevedore/1.2.3']));
});

test('how many requests run at once is for its maker to say', async () => {
  const { server, repository, registry, reference } = await startOpen({ maxRequests: 1 });
  repository.tag('v1', image('one'));
  const release = server.hold();
  const both = [registry.headManifest(reference, [], never), registry.headManifest(reference, [], never)];
  await expect.poll(() => server.requests.length).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(server.requests).toHaveLength(1);
  release();
  await Promise.all(both);
});

test('a download that takes its time keeps no HEAD waiting, and only one other download', async () => {
  const { server, repository, registry, reference } = await startOpen({ maxRequests: 1 });
  const one = image('one');
  repository.tag('v1', one);
  const { digest } = one.config;
  server.on('GET', `/v2/app/web/blobs/${digest}`, { status: 200, chunked: true, body: 'x', then: 'hang' });
  const controller = new AbortController();
  const blob = { digest, sizeBytes: one.config.bytes.length };
  const both = [1, 2].map(() => registry.discardBlob(reference, blob, [], controller.signal));
  const outcome = Promise.all(both.map((download) => expect(download).rejects.toThrow('enough')));
  await expect.poll(() => server.requests.length).toBe(1);
  expect(await registry.headManifest(reference, [], never)).toEqual({ digest: one.digest });
  expect(server.seen('GET', '/v2/')).toHaveLength(1);
  controller.abort(new Error('enough'));
  await outcome;
});

describe('proxies from the environment', () => {
  test.each([
    ['HTTP_PROXY', 'NO_PROXY'],
    ['http_proxy', 'no_proxy'],
  ])('%s is used for plain http, except where %s says so', async (proxyName, exceptName) => {
    const { repository, server } = await startOpen();
    repository.tag('v1', image('one'));
    const proxy = await startForwardProxy();
    for (const name of ['HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy']) vi.stubEnv(name, undefined);
    vi.stubEnv(proxyName, proxy.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const read = () => clientOf([plain(server)]).headManifest(referenceOf(server), [], never);
    await read();
    expect(proxy.targets).toEqual([server.host]);
    vi.stubEnv(exceptName, `other.example,${server.host}`);
    await read();
    expect(proxy.targets).toHaveLength(1);
  });

  test('a credential reaches the registry behind the proxy, and the proxy only what it passes on', async () => {
    const { repository, harbor, server } = await startHarbor();
    repository.tag('v1', image('one'));
    const proxy = await startForwardProxy();
    vi.stubEnv('HTTP_PROXY', proxy.url);
    vi.stubEnv('NO_PROXY', undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    const credential = new Credential(server.host, robot.username, robot.password);
    await clientOf([plain(server)]).headManifest(referenceOf(server), [credential], never);
    expect(harbor.tokens.good).toBeDefined();
    expect(new Set(proxy.targets)).toEqual(new Set([server.host]));
  });

  test('a proxy that is not there: network, and nothing goes around it', async () => {
    const { server } = await startOpen();
    const gone = await startServer();
    const { url } = gone;
    await gone.close();
    vi.stubEnv('HTTP_PROXY', url);
    vi.stubEnv('NO_PROXY', undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(clientOf([plain(server)]).headManifest(referenceOf(server), [], never)).rejects.toMatchObject({
      code: 'network',
    });
    expect(server.requests).toEqual([]);
  });
});
