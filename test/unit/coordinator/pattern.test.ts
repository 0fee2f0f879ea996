import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { HarborArtifact } from '../../../agent/registry/harbor.ts';
import { host, interval, noTags, ResolverWorld, toPattern } from './resolver-world.ts';

let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.patterns = [toPattern({ repository: 'llm-*' })];
});

afterEach(() => vi.useRealTimers());

const pass = (ms: number): void => {
  vi.advanceTimersByTime(ms);
};

const calls = (method: string) => world.harbor.calls.filter((call) => call.method === method);

describe('a repository pattern', () => {
  test('becomes references with digests, by one list of each repository and no HEAD by tag', async () => {
    world.push('app/llm-a', 'v1', 1);
    const b = world.push('app/llm-b', 'v1', 2);
    world.push('app/web', 'v1', 3);
    const pattern = await world.pattern();
    expect(pattern.members).toEqual([`${host}/app/llm-a:v1`, `${host}/app/llm-b:v1`]);
    expect(pattern).not.toHaveProperty('failure');
    expect(world.last.images.get(`${host}/app/llm-b:v1`)).toMatchObject({ digest: b.digest, platforms: [{}] });
    expect(calls('listArtifacts').map(({ subject }) => subject)).toEqual(['app/llm-a', 'app/llm-b']);
    pass(interval);
    await world.round();
    // The children alone, against the policy.
    expect(world.asked.every((call) => call.startsWith('headManifest') && call.includes('@'))).toBe(true);
    expect(world.asked).toHaveLength(2);
  });

  test('says what its rule leaves out, and counts it', async () => {
    world.patterns = [toPattern({ repository: 'llm-a', tags: { ...noTags, newest: 2 } })];
    for (let version = 1; version <= 30; version += 1) world.push('app/llm-a', `v${version}`, version);
    const { members, excluded, excludedCount } = await world.pattern();
    expect(members).toEqual([`${host}/app/llm-a:v29`, `${host}/app/llm-a:v30`]);
    expect(excludedCount).toBe(28);
    expect(excluded).toHaveLength(20);
    expect(excluded[0]).toMatchObject({ reason: 'older' });
  });

  test('follows a new release, and what it pushes out is no member any more', async () => {
    world.patterns = [toPattern({ repository: 'llm-a', tags: { ...noTags, newest: 1 } })];
    world.push('app/llm-a', 'v1', 1);
    await world.round();
    world.push('app/llm-a', 'v2', 2);
    pass(interval);
    expect((await world.pattern()).members).toEqual([`${host}/app/llm-a:v2`]);
    expect([...world.last.images.keys()]).toEqual([`${host}/app/llm-a:v2`]);
  });

  test('keeps its members when lists are empty or fail, until it is certain that they are gone', async () => {
    world.push('app/llm-a', 'v1', 1);
    const member = `${host}/app/llm-a:v1`;
    await world.round();
    const artifacts = world.harbor.projects.get('app')?.repositories ?? new Map<string, HarborArtifact[]>();
    const kept = artifacts.get('llm-a') ?? [];

    // Harbor answers 200 and nothing.
    const list = world.harbor.listRepositories.bind(world.harbor);
    world.harbor.listRepositories = () => Promise.resolve([]);
    pass(interval);
    expect((await world.pattern()).members).toEqual([member]);
    world.harbor.listRepositories = list;

    for (const method of ['listProjects', 'listRepositories', 'listArtifacts'] as const) {
      world.harbor.fail(method, new Failure('upstream', `${method}: 500`));
      pass(interval);
      const pattern = await world.pattern();
      expect(pattern.members).toEqual([member]);
      expect(pattern.failure?.message).toBe(`${method}: 500`);
      world.harbor.fail(method, undefined, 0);
    }

    artifacts.set('llm-a', []);
    world.harbor.fail('readArtifact', new Failure('network', 'away'));
    pass(interval);
    expect(await world.pattern()).toMatchObject({ members: [member], failure: { code: 'network' } });
    world.harbor.fail('readArtifact', undefined, 0);

    artifacts.set('llm-a', kept);
    pass(interval);
    expect(await world.pattern()).not.toHaveProperty('failure');
    artifacts.delete('llm-a');
    pass(interval);
    expect(await world.pattern()).toMatchObject({ members: [] });
  });

  test('of which one repository fails keeps the members of that one, and takes the others as they are', async () => {
    world.push('app/llm-a', 'v1', 1);
    world.push('app/llm-b', 'v1', 1);
    await world.round();
    world.push('app/llm-b', 'v2', 2);
    const list = world.harbor.listArtifacts.bind(world.harbor);
    world.harbor.listArtifacts = (login, project, repository, query, signal) =>
      repository === 'llm-a'
        ? Promise.reject(new Failure('timeout', 'slow'))
        : list(login, project, repository, query, signal);
    pass(interval);
    const pattern = await world.pattern();
    expect(pattern.members).toEqual([`${host}/app/llm-a:v1`, `${host}/app/llm-b:v1`, `${host}/app/llm-b:v2`]);
    expect(pattern.failure?.code).toBe('timeout');
  });

  test('with a robot that may only pull says which permission is missing', async () => {
    world.push('app/llm-a', 'v1', 1);
    world.username = 'puller';
    const pattern = await world.pattern();
    expect(pattern.failure).toMatchObject({
      code: 'auth',
      detail: 'forbidden',
      message: expect.stringMatching(/repository:list/),
    });
  });

  test('of a project that is not there, or not to be seen, says which', async () => {
    world.patterns = [toPattern({ project: 'nosuch' })];
    expect((await world.pattern()).failure).toMatchObject({ code: 'not_found', detail: 'project_missing' });
    world.harbor.addProject('nosuch');
    world.harbor.addRobot('resolver', 'secret', { app: ['repository:pull'] });
    pass(interval);
    expect((await world.pattern()).failure).toMatchObject({ code: 'auth', detail: 'forbidden' });
  });

  test('behind a proxy keeps a member that retention took out of the cache, while the upstream has it', async () => {
    const member = `${host}/hub/library/busybox:1`;
    world.patterns = [toPattern({ project: 'hub', repository: 'library/busybox' })];
    world.push('hub/library/busybox', '1', 1);
    await world.round();
    world.harbor.projects.get('hub')?.repositories.clear();
    pass(interval);
    expect((await world.pattern()).members).toEqual([member]);
    world.source.remove(member);
    pass(interval);
    expect((await world.pattern()).members).toEqual([]);
  });
});
