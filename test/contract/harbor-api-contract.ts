/** What every `Harbor` has to do, on the world of harbor-api-subject.ts. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Harbor } from '../../agent/registry/harbor.ts';
import { type Account, type HarborSubject, pushedAt, quotaBytes } from './harbor-api-subject.ts';

const never = new AbortController().signal;
const withAll = { withScan: true, withAccessories: true, withLabels: true };

export function harborContract(make: () => HarborSubject | Promise<HarborSubject>): void {
  let subject: HarborSubject;
  let harbor: Harbor;
  beforeAll(async () => {
    subject = await make();
    ({ harbor } = subject);
  });
  afterAll(() => subject.remove());

  test('it is alive, with its components', async () => {
    await harbor.ping(subject.login(), never);
    expect(await harbor.health(subject.login(), never)).toContainEqual({
      name: 'core',
      healthy: true,
      error: undefined,
    });
  });

  test('the version and the clock are for those whom Harbor knows', async () => {
    const known = await harbor.system(subject.login('wrong', 'puller'), never);
    expect(known.version).toMatch(/^v\d/);
    expect(known.readOnly).toBe(false);
    const { harborAt = 0, ownAt = 0 } = known.clock ?? {};
    expect(Math.abs(harborAt - ownAt)).toBeLessThan(60_000);
    for (const login of [subject.login(), subject.login('wrong')]) {
      expect(await harbor.system(login, never)).toMatchObject({ version: undefined, clock: undefined });
    }
  });

  test('a wrong password is told from a right one', async () => {
    const [right, wrong] = [subject.login('puller'), subject.login('wrong')].map((login) => login.credentials[0]);
    if (right === undefined || wrong === undefined) throw new Error('no credentials');
    expect(await harbor.acceptsCredential(subject.host, right, never)).toBe(true);
    expect(await harbor.acceptsCredential(subject.host, wrong, never)).toBe(false);
  });

  test('an account sees its own projects and public ones, and which are proxy caches', async () => {
    const projects = async (...accounts: Account[]) =>
      (await harbor.listProjects(subject.login(...accounts), never)).map(({ name }) => name);
    expect(await projects('puller')).toEqual(expect.arrayContaining(['ml', 'open']));
    expect(await projects('puller')).not.toContain('hidden');
    expect(await projects()).not.toContain('ml');
    const all = await harbor.listProjects(subject.login('wrong', 'system'), never);
    expect(all.find(({ name }) => name === 'px')?.upstreamId).toBe(1);
    expect(all.find(({ name }) => name === 'ml')?.upstreamId).toBeUndefined();
    expect(all.find(({ name }) => name === 'open')?.isPublic).toBe(true);
  });

  test('with a wrong password nobody is shown only what is public', async () => {
    await expect(harbor.listProjects(subject.login('wrong'), never)).rejects.toMatchObject({
      code: 'auth',
      detail: 'auth_failed',
    });
  });

  test('one project, and the one that is not there', async () => {
    const project = await harbor.readProject(subject.login('resolver'), 'ml', never);
    expect(project).toMatchObject({ name: 'ml', isPublic: false, metadata: { public: 'false' } });
    for (const account of ['resolver', 'system', 'puller'] as const) {
      await expect(harbor.readProject(subject.login(account), 'nosuch', never)).rejects.toMatchObject({
        code: 'not_found',
        detail: 'project_missing',
      });
    }
    expect(await harbor.hasProject(subject.login('puller'), 'hidden', never)).toBe(true);
    expect(await harbor.hasProject(subject.login('puller'), 'nosuch', never)).toBe(false);
    await expect(harbor.hasProject(subject.login('wrong'), 'ml', never)).rejects.toMatchObject({ code: 'auth' });
  });

  test('a permission that is missing is named as Harbor names it', async () => {
    const puller = subject.login('puller');
    const refusals: [() => Promise<unknown>, string][] = [
      [() => harbor.readProject(puller, 'ml', never), 'project:read (Read Project) on project ml'],
      [() => harbor.listRepositories(puller, 'ml', never), 'repository:list (List Repository) on project ml'],
      [() => harbor.listArtifacts(puller, 'ml', 'llm', {}, never), 'artifact:list (List Artifact) on project ml'],
      [() => harbor.readArtifact(puller, 'ml', 'llm', 'v1', never), 'artifact:read (Read Artifact) on project ml'],
      [() => harbor.readRetention(puller, 1, never), 'tag-retention:read (Read Tag Retention) on its project'],
      [() => harbor.readUpstream(puller, 1, never), 'registry:read (Read Registry) of the system'],
      [() => harbor.listRobots(puller, never), 'robot:list (List Robot) of the system'],
      [
        () => harbor.listArtifacts(subject.login('resolver'), 'hidden', 'x', {}, never),
        'artifact:list (List Artifact) on project hidden',
      ],
    ];
    for (const [call, words] of refusals) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error, words).toMatchObject({ code: 'auth', detail: 'forbidden' });
      expect(String(error)).toContain(words);
    }
  });

  test('the permissions that an account has in a project', async () => {
    const { id } = await harbor.readProject(subject.login('resolver'), 'ml', never);
    expect(await harbor.readPermissions(subject.login('puller'), id, never)).toEqual([
      { resource: 'repository', action: 'pull' },
    ]);
    expect(await harbor.readPermissions(subject.login('resolver'), id, never)).toEqual(
      expect.arrayContaining([
        { resource: 'project', action: 'read' },
        { resource: 'artifact', action: 'list' },
      ]),
    );
  });

  test('the first account that may is taken', async () => {
    const login = subject.login('wrong', 'puller', 'resolver');
    expect(await harbor.listRepositories(login, 'ml', never)).toEqual(['llm', 'team/a/web']);
    expect(await harbor.listRepositories(subject.login(), 'open', never)).toEqual(['tool']);
  });

  test('artifacts with tags, labels, scan and children', async () => {
    const { digests } = subject;
    const artifacts = await harbor.listArtifacts(subject.login('resolver'), 'ml', 'llm', withAll, never);
    const byDigest = new Map(artifacts.map((one) => [one.digest, one]));
    expect(byDigest.size).toBe(2);
    expect(byDigest.get(digests.v1)).toMatchObject({
      type: 'IMAGE',
      repository: 'llm',
      pulledAt: undefined,
      tags: [{ name: 'v1', pushedAt: pushedAt.v1, pulledAt: undefined }],
      labels: ['edge'],
      children: [],
      scan: undefined,
    });
    expect(byDigest.get(digests.v2)).toMatchObject({
      tags: [{ name: 'v2', pushedAt: pushedAt.v2 }],
      labels: ['prod', 'edge'],
      scan: { status: 'Success', severity: 'High' },
    });
    expect(byDigest.get(digests.v2)?.children).toHaveLength(1);
  });

  test('only those with all the labels, of the project or of all of Harbor', async () => {
    const tagsWith = async (...labels: string[]) =>
      (await harbor.listArtifacts(subject.login('resolver'), 'ml', 'llm', { labels }, never)).flatMap(({ tags }) =>
        tags.map(({ name }) => name),
      );
    expect(await tagsWith('edge', 'prod')).toEqual(['v2']);
    expect((await tagsWith('edge')).toSorted()).toEqual(['v1', 'v2']);
    expect(await tagsWith('nosuch')).toEqual([]);
  });

  test('a nested repository, by tag and by digest', async () => {
    const { digests } = subject;
    const login = subject.login('resolver');
    const list = await harbor.listArtifacts(login, 'ml', 'team/a/web', {}, never);
    expect(list.map(({ digest }) => digest)).toEqual([digests.nested]);
    for (const reference of ['v1', digests.nested]) {
      expect(await harbor.readArtifact(login, 'ml', 'team/a/web', reference, never)).toMatchObject({
        digest: digests.nested,
        repository: 'team/a/web',
      });
    }
  });

  test('an absent repository is an empty list, an absent artifact is certainly absent', async () => {
    const login = subject.login('resolver');
    expect(await harbor.listArtifacts(login, 'ml', 'nosuch', {}, never)).toEqual([]);
    for (const [repository, reference] of [
      ['llm', 'nosuch'],
      ['nosuch', 'v1'],
      ['llm', `sha256:${'0'.repeat(64)}`],
    ] as const) {
      const call = harbor.readArtifact(login, 'ml', repository, reference, never);
      await expect(call).rejects.toMatchObject({ code: 'not_found', detail: undefined });
    }
  });

  test('retention, quota, the upstream, robots', async () => {
    const retention = await harbor.readRetention(subject.login('resolver'), 1, never);
    expect(retention).toMatchObject({
      cron: '0 0 0 * * *',
      rules: [{ template: 'nDaysSinceLastPull', parameters: { nDaysSinceLastPull: 7 }, disabled: false }],
    });
    expect(retention.rules[0]?.tags).toEqual([{ decoration: 'matches', pattern: '**' }]);
    expect((await harbor.readQuota(subject.login('resolver'), 'ml', never))?.hardBytes).toBe(quotaBytes);
    expect(await harbor.readQuota(subject.login('puller'), 'ml', never)).toBeUndefined();
    expect(await harbor.readUpstream(subject.login('system'), 1, never)).toMatchObject({ status: 'healthy' });
    const robots = await harbor.listRobots(subject.login('system'), never);
    expect(robots).toContainEqual({ name: 'robot$sys', disabled: false, expiresAt: undefined });
  });

  test('an abort is not a failure', async () => {
    const reason = new Error('enough');
    await expect(harbor.listProjects(subject.login('resolver'), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
}
