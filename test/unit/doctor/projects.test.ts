import { describe, expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import { toProjectNeeds } from '../../../agent/doctor/harbor-needs.ts';
import { toPullPlaces } from '../../../agent/doctor/pull-places.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { check, configure, everything, host, pattern, setUp } from './project-world.ts';

const image = `${host}/ml/team/web:1`;
const rightsOf = (lines: readonly string[]) => lines.filter((line) => line.includes(' permissions '));

test('absent and forbidden are told apart, though Harbor answers 403 for both', async () => {
  const harbor = setUp([]);
  expect(await check(harbor, configure([image, `${host}/nosuch/x:1`]))).toEqual([
    `failure project ${host}/ml: exists, but this account has no right in it`,
    `failure project ${host}/nosuch: does not exist`,
  ]);
});

test('without valid credentials it is said that nobody knows', async () => {
  expect(await check(setUp([]), configure([image]), [])).toEqual([
    expect.stringMatching(/^failure project .*is not among the public projects; whether it exists is told only/),
  ]);
});

test('another failure than a missing credential is not taken for absence', async () => {
  const harbor = setUp([]);
  harbor.fail('hasProject', new Failure('upstream', '502'));
  await expect(check(harbor, configure([image]))).rejects.toThrow('502');
});

test('a project with all rights', async () => {
  expect(await check(setUp(everything), configure([image]))).toEqual([
    `ok project ${host}/ml: is there`,
    `ok permissions ${host}/ml: all that the configuration needs`,
  ]);
});

describe('rights that are missing', () => {
  test('a pull-only robot has all that images need; the quota is not told', async () => {
    expect(rightsOf(await check(setUp(['repository:pull']), configure([image])))).toEqual([
      `ok permissions ${host}/ml: all that the configuration needs`,
      `not_checked permissions ${host}/ml: the metrics of the quota cannot be had without project:read, quota:read`,
    ]);
  });

  test('no pull is a failure, but not of a public project', async () => {
    expect(rightsOf(await check(setUp(['artifact:read']), configure([image])))[0]).toMatch(
      /^failure .*repository:pull is missing, which is needed for pulling/,
    );
    const open = setUp(['artifact:read'], { isPublic: true });
    expect(rightsOf(await check(open, configure([image])))[0]).toMatch(/^ok /);
    expect(rightsOf(await check(setUp([], { isPublic: true }), configure([image]), []))[0]).toMatch(/^ok /);
  });

  test('patterns need to list', async () => {
    const lines = rightsOf(await check(setUp(['repository:pull']), configure([], [pattern('ml')])));
    expect(lines.slice(0, 2).toSorted()).toEqual([
      `failure permissions ${host}/ml: artifact:list is missing, which is needed for resolving repository patterns`,
      `failure permissions ${host}/ml: repository:list is missing, which is needed for resolving repository patterns`,
    ]);
  });

  test('signatures need the children one by one, labels come with the list', async () => {
    const rights = ['repository:pull', 'repository:list', 'artifact:list'];
    const needs = async (more: Partial<RepositoryPattern>) =>
      rightsOf(await check(setUp(rights), configure([], [pattern('ml', more)])))[0];
    expect(await needs({})).toMatch(/^ok /);
    expect(await needs({ maxSeverity: 'high' })).toMatch(/^ok /);
    expect(await needs({ signed: 'any' })).toMatch(/^failure .*artifact:read is missing, which is needed for signed/);
    expect(await needs({ signedBy: ['PEM'] })).toMatch(/^failure .*artifact:read/);
    expect(await needs({ labels: ['stable'] })).toMatch(/^ok /);
  });

  test('warmth is read only of proxy caches, and not where nothing is warmed', async () => {
    const rights = ['repository:pull', 'project:read', 'quota:read'];
    const configuration = configure([image]);
    expect(rightsOf(await check(setUp(rights), configuration))).toEqual([expect.stringMatching(/^ok /)]);
    const proxied = () => setUp(rights, { upstreamId: 3 });
    expect(rightsOf(await check(proxied(), configuration))).toEqual([
      expect.stringMatching(/^warning .*artifact:read is missing, .* 21 s/),
    ]);
    const cold = { ...configuration, warm: { ...configuration.warm, enabled: false } };
    expect(rightsOf(await check(proxied(), cold))).toEqual([expect.stringMatching(/^ok /)]);
  });

  test('keepAlive needs to read the retention policy', async () => {
    const configuration = configure([image]);
    const keeping = { ...configuration, coordinator: { ...configuration.coordinator, keepAlive: true } };
    expect(rightsOf(await check(setUp(['repository:pull']), keeping)).slice(0, 2)).toEqual([
      expect.stringMatching(/^failure .*tag-retention:read is missing, which is needed for coordinator\.keepAlive/),
      expect.stringMatching(/^failure .*artifact:list is missing/),
    ]);
  });

  test('what two sets need of one project is told once, at its heaviest', async () => {
    const configuration = configure([image, `${host}/ml/other:1`], [pattern('ml'), pattern('ml', { signed: 'any' })]);
    const lines = rightsOf(await check(setUp([], { isPublic: true }), configuration));
    expect(lines.filter((line) => line.startsWith('failure'))).toHaveLength(3);
    expect(new Set(lines).size).toBe(lines.length);
  });

  test('where they cannot be read that is a finding, and the project is looked at all the same', async () => {
    const harbor = setUp(everything, { upstreamId: 3 });
    harbor.fail('readPermissions', new Failure('upstream', '502'));
    expect(await check(harbor, configure([image]))).toEqual([
      expect.stringMatching(/^ok project/),
      `failure permissions ${host}/ml: 502`,
      expect.stringMatching(/^ok proxy_project/),
      expect.stringMatching(/^not_checked upstream/),
    ]);
  });
});

describe('globs', () => {
  test('stand for the projects that the account sees', async () => {
    const harbor = setUp(everything);
    harbor.addProject('ml-two');
    harbor.addRobot('robot', 'secret', { ml: everything, 'ml-two': everything });
    expect((await check(harbor, configure([], [pattern('ml*')]))).filter((line) => line.includes(' project '))).toEqual(
      [`ok project ${host}/ml: is there`, `ok project ${host}/ml-two: is there`],
    );
    expect(await check(harbor, configure([], [pattern('x-*')]))).toEqual([
      `failure project ${host}/x-*: matches no project that this account sees`,
    ]);
  });

  test('that match very many are looked at in part, and that is said', async () => {
    const harbor = new FakeHarbor(host);
    const names = Array.from({ length: 22 }, (_, index) => `p${index + 10}`);
    for (const name of names) harbor.addProject(name);
    harbor.addRobot('robot', 'secret', Object.fromEntries(names.map((name) => [name, everything])));
    const lines = await check(harbor, configure([], [pattern('p*')]));
    expect(lines[0]).toBe(`not_checked project ${host}/p*: matches 22 projects; only the first 20 are looked at`);
    expect(lines.filter((line) => line.startsWith('ok project'))).toHaveLength(20);
  });
});

describe('proxy caches', () => {
  const proxied = (metadata: Record<string, string>) => setUp([...everything], { upstreamId: 3, metadata });

  test('are told with their flags', async () => {
    const lines = await check(proxied({ proxy_speed_kb: '100', max_upstream_conn: '4' }), configure([image]));
    expect(lines).toContain(
      `ok proxy_project ${host}/ml: is a proxy cache of registry 3 (proxy_speed_kb=100, max_upstream_conn=4)`,
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^warning proxy_project .*max_upstream_conn=4: more at once are refused with 429/),
    );
    const none = await check(proxied({ max_upstream_conn: '-1' }), configure([image]));
    expect(none.filter((line) => line.startsWith('warning'))).toEqual([]);
  });

  test('that block vulnerable images let the first pull pass, which is said', async () => {
    const lines = await check(proxied({ prevent_vul: 'true', severity: 'high' }), configure([image]));
    expect(lines).toContainEqual(expect.stringMatching(/^warning proxy_project .*not the first pull/));
  });

  test("their upstream's state is told where it may be read", async () => {
    const state = async (status: string, rights = ['registry:read']) => {
      const harbor = proxied({});
      harbor.addRobot('robot', 'secret', { ml: everything, '/': rights });
      harbor.upstreams.set(3, { name: 'hub', url: 'https://hub.example', status });
      return (await check(harbor, configure([image]))).at(-1);
    };
    expect(await state('healthy')).toBe(`ok upstream ${host}/ml: hub (https://hub.example) is healthy`);
    expect(await state('unhealthy')).toMatch(/^failure upstream .*is unhealthy/);
    expect(await state('healthy', [])).toMatch(/^not_checked upstream .*registry:read/);
  });

  test('ordinary projects are not told as such', async () => {
    expect(await check(setUp(everything), configure([image]))).toHaveLength(2);
  });
});

test('registries that are no Harbor need nothing of Harbor', () => {
  expect(toProjectNeeds({ ...configure([image, 'docker.io/library/busybox:1']), registries: [] })).toEqual([]);
  expect(toProjectNeeds(configure(['docker.io/library/busybox:1', `${host}/web:1`]))).toEqual([]);
});

test('a pull is tried once for each project, or first part of a name', () => {
  const configuration = configure(
    [image, `${host}/ml/other:1`, `${host}/cache/library/redis@sha256:${'a'.repeat(64)}`, 'busybox:1', 'redis:8'],
    [pattern('ml'), pattern('team-*'), pattern('plain', { repository: 'web' }), pattern('open')],
  );
  const places = toPullPlaces(configuration, [
    { host, name: 'team-a' },
    { host, name: 'other' },
    { host: 'else.example', name: 'team-b' },
  ]);
  expect(places.map(({ repository }) => `${repository.registry}/${repository.repository}`)).toEqual([
    `${host}/ml/team/web`,
    `${host}/cache/library/redis`,
    'docker.io/library/busybox',
    `${host}/team-a/stevedore-doctor`,
    `${host}/plain/web`,
    `${host}/open/stevedore-doctor`,
  ]);
});
