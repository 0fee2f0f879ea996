import { afterEach, describe, expect, test, vi } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { basicOf, errors } from './harbor-stub.ts';
import { image, Repository } from './images.ts';
import { clientOf, never, plain, referenceOf, robot, startHarbor, startServer } from './setup.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('logging in to Harbor', () => {
  test('the first request carries no credential; Basic goes only to the token service, with the scope of the repository', async () => {
    const { server, repository, registry, credential, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    await registry.resolveDigest(reference, [credential], never);

    expect(
      server.requests.map(({ method, path, authorization }) => [method, path, authorization?.split(' ')[0]]),
    ).toEqual([
      ['HEAD', '/v2/app/web/manifests/v1', undefined],
      ['GET', '/service/token?service=harbor-registry&scope=repository%3Aapp%2Fweb%3Apull', 'Basic'],
      ['HEAD', '/v2/app/web/manifests/v1', 'Bearer'],
    ]);
    expect(server.requests[1]?.authorization).toBe(basicOf(robot));
  });

  test('a token is used again; another repository needs its own, but no second challenge', async () => {
    const { server, repository, harbor, registry, credential, reference } = await startHarbor();
    const other = new Repository('app/db');
    server.use(
      harbor.protect((request) =>
        request.path.startsWith('/v2/app/db/') ? other.handler(request) : repository.handler(request),
      ),
    );
    server.use(harbor.tokenService);
    repository.tag('v1', image('one'));
    other.tag('v1', image('two'));
    await registry.resolveDigest(reference, [credential], never);
    await registry.resolveDigest(reference, [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(1);
    expect(server.requests).toHaveLength(4);

    await registry.resolveDigest(referenceOf(server, 'app/db:v1'), [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(2);
    expect(server.requests).toHaveLength(6);
  });

  test('a token is renewed at 80 % of its life', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const { server, repository, registry, credential, reference } = await startHarbor({ expiresIn: 1800 });
    repository.tag('v1', image('one'));
    await registry.resolveDigest(reference, [credential], never);
    vi.setSystemTime(1_439_000);
    await registry.resolveDigest(reference, [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(1);
    vi.setSystemTime(1_441_000);
    await registry.resolveDigest(reference, [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(2);
  });

  test('a token without expires_in lasts 60 s', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const { server, repository, registry, credential, reference } = await startHarbor({ expiresIn: 0 });
    repository.tag('v1', image('one'));
    await registry.resolveDigest(reference, [credential], never);
    vi.setSystemTime(47_000);
    await registry.resolveDigest(reference, [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(1);
    vi.setSystemTime(49_000);
    await registry.resolveDigest(reference, [credential], never);
    expect(server.seen('GET', '/service/token')).toHaveLength(2);
  });

  test('a token that the registry no longer takes is replaced, though the 401 now says Basic', async () => {
    const { server, repository, harbor, registry, credential, reference } = await startHarbor();
    const one = image('one');
    repository.tag('v1', one);
    await registry.resolveDigest(reference, [credential], never);
    harbor.expired.add(`${harbor.tokens.good}-1`);
    expect(await registry.resolveDigest(reference, [credential], never)).toBe(one.digest);
    expect(server.seen('HEAD', '/v2/').filter(({ authorization }) => authorization?.startsWith('Basic'))).toEqual([]);
  });

  test('a wrong secret still gets a token; the refusal comes with its use, and is not tried again', async () => {
    const { server, repository, registry, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    const wrong = new Credential(server.host, robot.username, 'guess');
    await expect(registry.readManifest(reference, [wrong], never)).rejects.toMatchObject({
      code: 'auth',
      detail: 'auth_failed',
    });
    expect(server.requests).toHaveLength(3);
  });

  test('a changed password does not go on with the old token', async () => {
    const { server, repository, registry, credential, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    await registry.resolveDigest(reference, [credential], never);
    const rotated = new Credential(server.host, robot.username, 'rotated');
    await expect(registry.resolveDigest(reference, [rotated], never)).rejects.toMatchObject({ code: 'auth' });
  });

  test('a project that does not exist is a wrong name, not a wrong password', async () => {
    const { server, registry, credential } = await startHarbor();
    server.use(({ path, authorization }) =>
      path.startsWith('/v2/nosuch/') && authorization !== undefined
        ? {
            status: 401,
            headers: { 'www-authenticate': '' },
            body: errors('UNAUTHORIZED', 'project nosuch not found: project nosuch not found'),
          }
        : undefined,
    );
    const missing = {
      code: 'not_found',
      detail: 'project_missing',
      message: expect.stringContaining('project nosuch not found'),
    };
    const reference = referenceOf(server, 'nosuch/web:v1');
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toMatchObject(missing);
    await expect(registry.readManifest(reference, [credential], never)).rejects.toMatchObject(missing);
  });

  test('the last refusal is thrown when all credentials fail; an error that is no refusal ends the tries', async () => {
    const { server, repository, registry, credential, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    const wrong = ['first', 'second'].map((name) => new Credential(server.host, name, 'x'));
    await expect(registry.resolveDigest(reference, wrong, never)).rejects.toMatchObject({ code: 'auth' });
    expect(server.seen('GET', '/service/token').map(({ authorization }) => authorization)).toEqual(
      ['first', 'second'].map((username) => basicOf({ username, password: 'x' })),
    );

    server.on('GET', '/service/token', { status: 503 });
    const before = server.seen('GET', '/service/token').length;
    const others = [new Credential(server.host, 'third', 'x'), credential];
    await expect(registry.resolveDigest(reference, others, never)).rejects.toMatchObject({ code: 'upstream' });
    expect(server.seen('GET', '/service/token')).toHaveLength(before + 1);
  });

  test('secrets are in no error, even when the server repeats them', async () => {
    const { server, registry, credential, reference } = await startHarbor();
    server.use(({ path, authorization }) =>
      path.startsWith('/v2/') && authorization !== undefined
        ? { status: 403, body: errors('DENIED', `no: ${authorization} ${basicOf(robot)} ${robot.password}`) }
        : undefined,
    );
    const error = await registry.readManifest(reference, [credential], never).catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'auth' });
    const text = `${String(error)} ${JSON.stringify(error)} ${error instanceof Error ? error.stack : ''}`;
    for (const secret of [robot.password, basicOf(robot).slice(6), 'token-of-the-good-robot'])
      expect(text).not.toContain(secret);
  });
});

describe('other logins', () => {
  test('a Basic challenge: the credential goes to the registry itself, and next time at once', async () => {
    const server = await startServer();
    const repository = new Repository('app/web');
    repository.tag('v1', image('one'));
    server.use((request) => {
      if (request.authorization === basicOf(robot)) return repository.handler(request);
      return {
        status: 401,
        headers: { 'www-authenticate': 'Basic realm="registry"' },
        body: errors('UNAUTHORIZED', 'authentication required'),
      };
    });
    const registry = clientOf([plain(server)]);
    const credential = new Credential(server.host, robot.username, robot.password);
    await registry.resolveDigest(referenceOf(server), [credential], never);
    expect(server.requests.map(({ authorization }) => authorization)).toEqual([undefined, basicOf(robot)]);
    await registry.resolveDigest(referenceOf(server), [credential], never);
    expect(server.requests).toHaveLength(3);

    await expect(registry.resolveDigest(referenceOf(server), [], never)).rejects.toMatchObject({ code: 'auth' });
    const wrong = new Credential(server.host, 'x', 'y');
    const before = server.requests.length;
    await expect(registry.resolveDigest(referenceOf(server), [wrong], never)).rejects.toMatchObject({ code: 'auth' });
    expect(server.requests.length - before).toBe(1);
  });

  test('only the right to pull is asked for, whatever the challenge says, and its other repositories with it', async () => {
    const { server, repository, harbor, registry, credential, reference } = await startHarbor();
    repository.tag('v1', image('one'));
    const scope = 'repository:app/web:pull,push,delete repository:library/base:pull registry:catalog:*';
    server.use(({ path, authorization }) =>
      path.startsWith('/v2/') && authorization === undefined
        ? {
            status: 401,
            headers: {
              'www-authenticate': [
                'Negotiate YWJjZA==',
                `Basic realm="a, b=\\"c\\"", Bearer Realm="${server.url}/service/token",service="harbor-registry",scope="${scope}"`,
              ],
            },
          }
        : undefined,
    );
    server.use(harbor.tokenService);
    await registry.resolveDigest(reference, [credential], never);
    const asked = new URL(server.seen('GET', '/service/token')[0]?.path ?? '', server.url);
    expect(asked.searchParams.getAll('scope')).toEqual(['repository:app/web:pull', 'repository:library/base:pull']);
  });

  test('a registry that opens to anonymous tokens needs no credential', async () => {
    const server = await startServer();
    const repository = new Repository('app/web');
    const one = image('one');
    repository.tag('v1', one);
    server.use((request) => (request.authorization === 'Bearer anonymous' ? repository.handler(request) : undefined));
    server.use(({ path, authorization }) =>
      path.startsWith('/v2/') && authorization === undefined
        ? { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } }
        : undefined,
    );
    server.on('GET', '/token', { status: 200, body: { access_token: 'anonymous' } });
    expect(await clientOf([plain(server)]).readManifest(referenceOf(server), [], never)).toEqual(one.summary);
    expect(server.seen('GET', '/token')[0]?.authorization).toBeUndefined();
  });

  test.each([
    ['an HTML page', '<html>gateway</html>'],
    ['no token', { token: '', access_token: '' }],
    ['a token that is no header value', { token: 'a\r\nb' }],
  ])('a token service that answers with %s: upstream', async (_, body) => {
    const { server, registry, credential, reference } = await startHarbor();
    server.on('GET', '/service/token', { status: 200, body });
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toMatchObject({ code: 'upstream' });
  });

  test('a token service that refuses the login: auth', async () => {
    const { server, registry, credential, reference } = await startHarbor();
    server.on('GET', '/service/token', { status: 401 });
    await expect(registry.resolveDigest(reference, [credential], never)).rejects.toMatchObject({ code: 'auth' });
  });
});
