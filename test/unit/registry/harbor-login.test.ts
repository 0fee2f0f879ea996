/** What Harbor's tokens and refusals mean, for a registry that is known to be a Harbor (2.15.2). */

import { afterEach, describe, expect, test, vi } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { basicOf, errors } from './harbor-stub.ts';
import { image, Repository } from './images.ts';
import { never, referenceOf, robot, startHarbor } from './setup.ts';
import type { StubServer } from './stub-server.ts';

const settings = { harbor: true };
const tokensOf = (server: StubServer) => server.seen('GET', '/service/token');

afterEach(() => {
  vi.useRealTimers();
});

describe('tokens', () => {
  test('one serves all repositories of a project; another project and another account need their own', async () => {
    const { server, repository, harbor, registry, credential, reference } = await startHarbor({ settings });
    const others = ['app/db', 'app/team/api', 'other/web'].map((name) => new Repository(name));
    server.use(
      harbor.protect((request) => [repository, ...others].map((one) => one.handler(request)).find((one) => one)),
    );
    server.use(harbor.tokenService);
    for (const one of [repository, ...others]) one.tag('v1', image(one.name));

    await registry.resolveDigest(reference, [credential], never);
    await registry.resolveDigest(referenceOf(server, 'app/db:v1'), [credential], never);
    await registry.resolveDigest(referenceOf(server, 'app/team/api:v1'), [credential], never);
    expect(tokensOf(server)).toHaveLength(1);
    await registry.resolveDigest(referenceOf(server, 'other/web:v1'), [credential], never);
    expect(tokensOf(server)).toHaveLength(2);

    const wrong = new Credential(server.host, 'somebody', 'x');
    await expect(registry.resolveDigest(reference, [wrong], never)).rejects.toMatchObject({ code: 'auth' });
    expect(tokensOf(server).map(({ authorization }) => authorization)).toContain(
      basicOf({ username: 'somebody', password: 'x' }),
    );
  });

  test('nothing but GET and HEAD is ever sent: Harbor refuses the POST of the token specification', async () => {
    const { server, repository, harbor, registry, credential, reference } = await startHarbor({ settings });
    repository.tag('v1', image('one'));
    await registry.headManifest(reference, [credential], never);
    harbor.expired.add(`${harbor.tokens.good}-1`);
    await registry.readImage(reference, [], [credential], never);
    expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(['HEAD', 'GET']));
    expect(tokensOf(server)).toHaveLength(2);
  });
});

describe('whose fault a 401 is', () => {
  test('a wrong password, which got a token all the same: Harbor is asked without a scope, once a minute', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const { server, repository, registry, reference } = await startHarbor({ settings });
    repository.tag('v1', image('one'));
    const wrong = new Credential(server.host, robot.username, 'guess');
    const refused = {
      code: 'auth',
      detail: 'auth_failed',
      message: expect.stringMatching(/password of robot\$app\+pull is wrong, or the account is disabled or expired/),
    };
    const scopeless = () => tokensOf(server).filter(({ path }) => !path.includes('scope='));
    await expect(registry.headManifest(reference, [wrong], never)).rejects.toMatchObject(refused);
    expect(scopeless().map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/service/token?service=harbor-registry', basicOf({ username: robot.username, password: 'guess' })],
    ]);
    await expect(registry.headManifest(reference, [wrong], never)).rejects.toMatchObject(refused);
    expect(scopeless()).toHaveLength(1);
    vi.setSystemTime(61_000);
    await expect(registry.headManifest(reference, [wrong], never)).rejects.toMatchObject(refused);
    expect(scopeless()).toHaveLength(2);
  });

  test('a valid account without the right to pull', async () => {
    const outsider = { username: 'robot$other+pull', password: 'valid' };
    const { server, repository, registry, reference } = await startHarbor({ settings, outsiders: [outsider] });
    repository.tag('v1', image('one'));
    const credential = new Credential(server.host, outsider.username, outsider.password);
    await expect(registry.headManifest(reference, [credential], never)).rejects.toMatchObject({
      code: 'auth',
      detail: 'forbidden',
      message: expect.stringMatching(
        /robot\$other\+pull is a valid account without the right to pull from project app/,
      ),
    });
  });

  test('nobody knows: the registry is no Harbor, or its token service does not say', async () => {
    const mayBe = { code: 'auth', message: expect.stringContaining('credentials of robot$app+pull may be wrong') };
    const plain = await startHarbor();
    const guess = new Credential(plain.server.host, robot.username, 'guess');
    await expect(plain.registry.headManifest(plain.reference, [guess], never)).rejects.toMatchObject(mayBe);
    expect(tokensOf(plain.server).every(({ path }) => path.includes('scope='))).toBe(true);

    const harbor = await startHarbor({ settings });
    harbor.server.use(({ path }) =>
      path === '/service/token?service=harbor-registry' ? { status: 502, body: '<html>' } : undefined,
    );
    const wrong = new Credential(harbor.server.host, robot.username, 'guess');
    await expect(harbor.registry.headManifest(harbor.reference, [wrong], never)).rejects.toMatchObject(mayBe);
  });

  test('no credential at all is said', async () => {
    const { registry, reference } = await startHarbor({ settings });
    await expect(registry.headManifest(reference, [], never)).rejects.toMatchObject({
      code: 'auth',
      message: expect.stringContaining('without a credential'),
    });
  });

  test('an empty challenge is not about the login: no second token; without words for a missing project it passes by itself', async () => {
    const { server, repository, registry, credential, reference } = await startHarbor({ settings });
    repository.tag('v1', image('one'));
    await registry.headManifest(reference, [credential], never);
    const answer = (message: string) =>
      server.use(({ path, authorization }) =>
        path.startsWith('/v2/') && authorization !== undefined
          ? { status: 401, headers: { 'www-authenticate': '' }, body: errors('UNAUTHORIZED', message) }
          : undefined,
      );
    answer('project app not found: project app not found');
    await expect(registry.headManifest(reference, [credential], never)).rejects.toMatchObject({
      code: 'not_found',
      detail: 'project_missing',
    });
    answer('driver: bad connection');
    const passing = { code: 'upstream', retryable: true };
    await expect(registry.headManifest(reference, [credential], never)).rejects.toMatchObject(passing);
    await expect(registry.hasBlob(reference, image('one').digest, [credential], never)).rejects.toMatchObject(passing);
    expect(tokensOf(server)).toHaveLength(1);
  });

  test("a 401 of the proxy project's upstream does not cost the token", async () => {
    const { server, repository, registry, credential, reference } = await startHarbor({ settings });
    repository.tag('v1', image('one'));
    await registry.headManifest(reference, [credential], never);
    server.use(({ path, authorization }) =>
      path.includes('/blobs/') && authorization !== undefined
        ? { status: 401, body: errors('UNAUTHORIZED', 'http status code: 401, body: {"errors":[]}') }
        : undefined,
    );
    const digest = image('one').digest;
    await expect(registry.touchBlob(reference, digest, [credential], never)).rejects.toMatchObject({
      code: 'upstream',
      detail: 'upstream_unhealthy',
    });
    await registry.headManifest(reference, [credential], never);
    expect(tokensOf(server)).toHaveLength(1);
  });
});
