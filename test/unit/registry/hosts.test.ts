/** Credentials and tokens stay with the hosts that they are for: the wire is looked at, not the code. */

import { describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { findSecrets, HarborStub } from './harbor-stub.ts';
import { image, index, Repository } from './images.ts';
import { clientOf, never, plain, referenceOf, robot, startHarbor, startServer } from './setup.ts';

describe('the token service', () => {
  test.each([
    ['plain http on another host', 'http://HOST/token', []],
    ['plain http on another host that tokenHosts names', 'http://HOST/token', ['HOST']],
    ['TLS on another host that tokenHosts does not name', 'https://HOST/token', []],
    ['TLS on the same name but another port', 'https://HOST/token', ['127.0.0.1']],
    ['an address with a user name', 'http://robot@HOST/token', ['HOST']],
    ['no address', 'HOST', []],
    ['another scheme', 'ftp://HOST/token', ['HOST']],
  ])('%s gets no request at all', async (_, realm, tokenHosts) => {
    const other = await startServer();
    const put = (text: string) => text.replace('HOST', other.host);
    const harbor = await startHarbor({ realm: put(realm), settings: { tokenHosts: tokenHosts.map(put) } });
    harbor.repository.tag('v1', image('one'));
    await expect(harbor.registry.resolveDigest(harbor.reference, [harbor.credential], never)).rejects.toMatchObject({
      code: 'auth',
      message: expect.stringContaining(harbor.server.host),
    });
    expect(other.requests).toEqual([]);
  });

  test('the refusal tells what to set', async () => {
    const { repository, registry, credential, reference } = await startHarbor({ realm: 'https://auth.example/token' });
    repository.tag('v1', image('one'));
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toThrow(/auth\.example.*"tokenHosts"/);
  });

  test('its redirect is not followed', async () => {
    const other = await startServer();
    const { server, repository, registry, credential, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    server.on('GET', '/service/token', { status: 307, headers: { location: `${other.url}/service/token` } });
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toMatchObject({ code: 'upstream' });
    expect(other.requests).toEqual([]);
  });
});

describe('redirects', () => {
  test('a blob on another host is fetched without any credential, and so are further hops, also back', async () => {
    const storage = await startServer();
    const { server, repository, harbor, registry, credential, reference } = await startHarbor();
    const one = image('one');
    repository.tag('v1', one);
    const blob = `/v2/app/web/blobs/${one.config.digest}`;
    server.use(
      harbor.protect((request) =>
        request.path === blob
          ? { status: 307, headers: { location: `${storage.url}/a?X-Signature=s` } }
          : repository.handler(request),
      ),
    );
    server.use(harbor.tokenService);
    storage.on('GET', '/a', { status: 302, headers: { location: `${server.url}/elsewhere` } });
    server.on('GET', '/elsewhere', { status: 200, body: one.config.bytes });

    expect(await registry.readManifest(reference, [credential], never)).toEqual(one.summary);
    expect(storage.requests).toHaveLength(1);
    expect(findSecrets(storage.requests, [credential])).toEqual([]);
    expect(findSecrets(server.seen('GET', '/elsewhere'), [credential])).toEqual([]);
  });

  test('the same name on another port is another host', async () => {
    const other = await startServer();
    const { server, harbor, registry, credential, reference } = await startHarbor();
    server.use(harbor.protect(() => ({ status: 307, headers: { location: `${other.url}/v2/app/web/manifests/v1` } })));
    server.use(harbor.tokenService);
    other.use(() => ({ status: 401, headers: { 'www-authenticate': `Basic realm="give it to me"` } }));
    await expect(registry.readManifest(reference, [credential], never)).rejects.toMatchObject({ code: 'upstream' });
    other.use(() => ({ status: 401, headers: { 'www-authenticate': `Bearer realm="${other.url}/token"` } }));
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toMatchObject({ code: 'upstream' });
    expect(other.requests.length).toBeGreaterThan(0);
    expect(findSecrets(other.requests, [credential])).toEqual([]);
    expect(other.seen('GET', '/token')).toEqual([]);
  });

  test('on the same host the login goes along: a Docker Hub project without library/', async () => {
    const server = await startServer();
    const repository = new Repository('hub/library/nginx');
    const one = image('one');
    repository.tag('latest', one);
    const harbor = new HarborStub(server, { login: robot });
    server.use(
      harbor.protect((request) =>
        request.path.startsWith('/v2/hub/nginx/')
          ? { status: 301, headers: { location: request.path.replace('/hub/', '/hub/library/') } }
          : repository.handler(request),
      ),
    );
    server.use(harbor.tokenService);
    const registry = clientOf([plain(server)]);
    const credential = new Credential(server.host, robot.username, robot.password);
    expect(await registry.resolveDigest(referenceOf(server, 'hub/nginx'), [credential], never)).toBe(one.digest);
    expect(await registry.readManifest(referenceOf(server, 'hub/nginx'), [credential], never)).toEqual(one.summary);
  });

  test('a circle ends after five, and a redirect to nowhere at once', async () => {
    const server = await startServer();
    server.use(({ path }) => ({ status: 307, headers: { location: `${path}x` } }));
    const registry = clientOf([plain(server)]);
    await expect(registry.readManifest(referenceOf(server), [], never)).rejects.toMatchObject({ code: 'upstream' });
    expect(server.requests).toHaveLength(6);
    server.use(() => ({ status: 307 }));
    await expect(registry.readManifest(referenceOf(server), [], never)).rejects.toMatchObject({ code: 'upstream' });
    server.use(() => ({ status: 307, headers: { location: 'file:///etc/passwd' } }));
    await expect(registry.readManifest(referenceOf(server), [], never)).rejects.toMatchObject({ code: 'upstream' });
    expect(server.requests).toHaveLength(8);
  });

  test("an error names the redirect's host, not its signed address", async () => {
    const storage = await startServer();
    const server = await startServer();
    server.use(() => ({ status: 307, headers: { location: `${storage.url}/bucket?X-Amz-Signature=abc` } }));
    storage.use(() => ({ status: 403, body: '<Error/>' }));
    const error = await clientOf([plain(server)])
      .readManifest(referenceOf(server), [], never)
      .catch((one: unknown) => String(one));
    expect(error).toContain(storage.host);
    expect(error).not.toContain('Signature');
  });
});

describe('whose credential', () => {
  test('a credential for another host is never used, not even for the first request', async () => {
    const { server, repository, registry, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    const others = [server.host.replace(/:\d+$/, ''), `${server.host}0`, 'docker.io'].map(
      (host) => new Credential(host, robot.username, robot.password),
    );
    await expect(registry.readManifest(reference, others, never)).rejects.toMatchObject({ code: 'auth' });
    expect(findSecrets(server.seen('GET', '/service/token'), others)).toEqual([]);
  });

  test('across a whole exchange with redirects and refusals no other host sees a secret', async () => {
    const storage = await startServer();
    const { server, repository, harbor, registry, credential, reference } = await startHarbor();
    const one = image('one');
    repository.tag('v1', index([{ item: one, platform: { os: 'linux', architecture: 'amd64' } }]));
    repository.put(one);
    server.use(
      harbor.protect((request) =>
        request.path.includes('/blobs/')
          ? { status: 307, headers: { location: `${storage.url}${request.path}` } }
          : repository.handler(request),
      ),
    );
    server.use(harbor.tokenService);
    storage.use(repository.handler);
    const wrong = new Credential(server.host, 'old-robot', 'old-secret');
    await registry.resolveDigest(reference, [wrong, credential], never);
    await registry.readManifest(reference, [wrong, credential], never);
    expect(storage.requests.length).toBeGreaterThan(0);
    expect(findSecrets(storage.requests, [wrong, credential])).toEqual([]);
    expect(server.requests.every(({ path }) => !path.includes(robot.password))).toBe(true);
  });
});
