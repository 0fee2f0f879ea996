/** The client against what a real Harbor 2.15.2 answered. */

import { describe, expect, test } from 'vitest';
import type { HarborArtifact } from '../../../agent/registry/harbor.ts';
import { recorded, replay, startHarborApi } from './harbor-setup.ts';
import { never } from './setup.ts';

describe('who asks', () => {
  test('the version is there for those whom Harbor knows', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-systeminfo-robot');
    expect(await harbor.system(login, never)).toMatchObject({
      version: 'v2.15.2-080b022057',
      externalUrl: 'http://harbor.example',
      readOnly: false,
      clock: { harborAt: Date.parse('2026-11-21T11:10:37.998Z') },
    });
  });

  test('a wrong password gets 200, and no version', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-systeminfo-bad-secret');
    expect(await harbor.system(login, never)).toMatchObject({ version: undefined, clock: undefined });
  });

  test('only the token call without a scope tells a wrong password', async () => {
    const { server, harbor, login } = await startHarborApi();
    const [credential] = login.credentials;
    if (credential === undefined) throw new Error('no credential');
    replay(server, 'token-bad-robot-noscope');
    expect(await harbor.acceptsCredential(server.host, credential, never)).toBe(false);
    replay(server, 'token-good-robot-noscope');
    expect(await harbor.acceptsCredential(server.host, credential, never)).toBe(true);
    expect(server.requests.every(({ path }) => path === '/service/token?service=harbor-registry')).toBe(true);
  });

  test('its permissions, `.` being the project', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-robot-permissions');
    const permissions = await harbor.readPermissions(login, 2, never);
    expect(permissions).toHaveLength(14);
    expect(permissions).toContainEqual({ resource: 'project', action: 'read' });
    replay(server, 'api-robot-permissions-pull-only');
    expect(await harbor.readPermissions(login, 2, never)).toEqual([{ resource: 'repository', action: 'pull' }]);
    expect(server.requests[0]?.path).toContain('scope=%2Fproject%2F2&relative=true');
  });
});

describe('projects', () => {
  test('the list, and which is a proxy cache', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-systeminfo-robot', 'api-projects-robot', 'proxy-project-get-robot');
    const projects = await harbor.listProjects(login, never);
    expect(projects.map(({ id, name, isPublic, upstreamId }) => [id, name, isPublic, upstreamId])).toContainEqual([
      2,
      'app',
      false,
      undefined,
    ]);
    expect(await harbor.readProject(login, 'px', never)).toMatchObject({
      upstreamId: 1,
      metadata: { retention_id: '1' },
    });
  });

  test('a project that is not there: 403 to robots, 404 to an administrator', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-project-absent-robot', 'api-project-head-absent');
    const missing = { code: 'not_found', detail: 'project_missing' };
    await expect(harbor.readProject(login, 'nosuch', never)).rejects.toMatchObject(missing);
    replay(server, 'api-project-absent-admin');
    await expect(harbor.readProject(login, 'nosuch', never)).rejects.toMatchObject(missing);
  });

  test('one that is there and forbidden', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-project-other-robot', 'api-project-head-forbidden');
    const call = harbor.readProject(login, 'hidden', never);
    await expect(call).rejects.toMatchObject({ code: 'auth', detail: 'forbidden' });
    await expect(call).rejects.toThrow('robot$app+pull: it lacks project:read (Read Project) on project hidden');
  });

  test('anonymously a project that is not there looks like one that wants a login', async () => {
    const { server, harbor, anonymous } = await startHarborApi();
    replay(server, 'api-project-absent-anonymous');
    await expect(harbor.readProject(anonymous, 'nosuch', never)).rejects.toThrow('wants a credential');
  });

  test('the quota, no limit, no right to see it', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-project-summary-quota', 'api-project-summary-robot', 'api-project-head');
    expect(await harbor.readQuota(login, 'tiny', never)).toEqual({ usedBytes: 0, hardBytes: 5000 });
    expect(await harbor.readQuota(login, 'app', never)).toEqual({ usedBytes: 4322, hardBytes: undefined });
    replay(server, 'api-project-summary-no-quota-read', 'api-project-summary-pull-robot');
    expect(await harbor.readQuota(login, 'tiny', never)).toBeUndefined();
    expect(await harbor.readQuota(login, 'app', never)).toBeUndefined();
  });

  test('repositories without the project in their names', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-repositories', 'api-project-head');
    // The recording is of the first page of two.
    server.use(({ path }) => (path.includes('page=2') ? { status: 200, body: [] } : undefined));
    expect(await harbor.listRepositories(login, 'app', never)).toEqual(['dock', 'team/a/web']);
    replay(server, 'api-repositories-pull-robot');
    await expect(harbor.listRepositories(login, 'app', never)).rejects.toThrow(
      'it lacks repository:list (List Repository) on project app',
    );
    replay(server, 'api-repositories-bad-secret');
    await expect(harbor.listRepositories(login, 'app', never)).rejects.toMatchObject({
      code: 'auth',
      detail: 'auth_failed',
    });
  });
});

describe('artifacts', () => {
  async function readV1(repository: string, recording: string): Promise<HarborArtifact> {
    const { server, harbor, login } = await startHarborApi();
    replay(server, recording);
    return harbor.readArtifact(login, 'pol', repository, 'v1', never);
  }

  test('a nested repository is encoded twice; a pull in the year 1 never was', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-artifact-full');
    expect(await harbor.readArtifact(login, 'app', 'team/a/web', 'v1', never)).toMatchObject({
      repository: 'team/a/web',
      pushedAt: Date.parse('2026-11-21T10:58:00.499Z'),
      pulledAt: undefined,
      tags: [{ name: 'v1', pulledAt: undefined }],
      labels: [],
      accessories: [],
      scan: undefined,
      children: [
        { os: 'linux', architecture: 'amd64', variant: undefined },
        { os: 'linux', architecture: 'arm64', variant: 'v8' },
      ],
    });
    expect(server.requests[0]?.path).toContain('/projects/app/repositories/team%252Fa%252Fweb/artifacts/v1?');
  });

  test('a child without tags, by its digest', async () => {
    const digest = 'sha256:25ed15f4d5dd45b3a4499772a4cb4e6bf8a5055f7f5eead358d39424eaa66a50';
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-artifact-child');
    expect(await harbor.readArtifact(login, 'app', 'team/a/web', digest, never)).toMatchObject({ digest });
  });

  test('signatures', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-artifact-with-accessory');
    const [artifact] = await harbor.listArtifacts(login, 'trust', 'web', { withAccessories: true }, never);
    expect(artifact?.accessories.map(({ type }) => type)).toEqual(['signature.cosign']);
  });

  test('scans: finished, waiting, failed, never', async () => {
    expect((await readV1('bad', 'policy-api-scan-overview-bad')).scan).toEqual({
      status: 'Success',
      severity: 'Critical',
    });
    expect((await readV1('good', 'policy-api-scan-overview-good')).scan?.status).toBe('Success');
    expect((await readV1('bad', 'policy-scan-pending')).scan).toEqual({ status: 'Pending', severity: undefined });
    expect((await readV1('fail', 'policy-api-scan-overview-error')).scan?.severity).toBeUndefined();
    expect((await readV1('unscanned', 'policy-api-artifact-unscanned')).scan).toBeUndefined();
  });

  test('an absent repository is an empty list, an absent artifact certainly absent', async () => {
    const { server, harbor, login } = await startHarborApi();
    replay(server, 'api-artifact-absent-repo', 'api-artifact-absent');
    expect(await harbor.listArtifacts(login, 'app', 'nosuch', {}, never)).toEqual([]);
    await expect(harbor.readArtifact(login, 'app', 'team/a/web', 'nosuch', never)).rejects.toMatchObject({
      code: 'not_found',
      detail: undefined,
    });
  });
});

describe('what is between', () => {
  test('a path that a gateway decoded proves nothing', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.use(() => recorded('nginx-repository-single-encoded'));
    const call = harbor.readArtifact(login, 'app', 'team/a/web', 'v1', never);
    await expect(call).rejects.toMatchObject({ code: 'upstream' });
    await expect(call).rejects.toThrow('may decode %252F');
  });

  test('a page of nginx is no answer of Harbor', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.use(() => recorded('nginx-core-down'));
    await expect(harbor.listRepositories(login, 'app', never)).rejects.toMatchObject({ code: 'upstream' });
    await expect(harbor.hasProject(login, 'app', never)).rejects.toMatchObject({ code: 'upstream' });
  });
});

test('health, retention, upstreams, robots', async () => {
  const { server, harbor, login } = await startHarborApi();
  replay(server, 'api-ping', 'api-health', 'proxy-retention', 'registry-endpoint-robot', 'robot-list-as-robot');
  replay(server, 'api-systeminfo-robot', 'api-projects-robot', 'api-project-head');
  await harbor.ping(login, never);
  expect(await harbor.health(login, never)).toHaveLength(7);
  expect(server.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  expect(await harbor.readRetention(login, 1, never)).toEqual({
    cron: '0 0 0 * * *',
    rules: [
      {
        template: 'nDaysSinceLastPull',
        parameters: { nDaysSinceLastPull: 7 },
        repositories: [{ decoration: 'repoMatches', pattern: '**' }],
        tags: [{ decoration: 'matches', pattern: '**' }],
        disabled: false,
      },
    ],
  });
  expect(await harbor.readUpstream(login, 1, never)).toEqual({
    name: 'up',
    url: 'http://upstream.example',
    status: 'healthy',
  });
  await expect(harbor.listRobots(login, never)).rejects.toMatchObject({ code: 'auth', detail: 'forbidden' });
});
