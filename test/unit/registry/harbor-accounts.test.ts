import { describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { startHarborApi } from './harbor-setup.ts';
import { never, robot } from './setup.ts';
import { everythingSeen, type SeenRequest } from './stub-server.ts';

describe('several accounts', () => {
  test('each that Harbor knows adds what it sees; one that it does not know hides nothing', async () => {
    const { server, harbor } = await startHarborApi();
    const credentials = ['a', 'b', 'stale'].map((name) => new Credential(server.host, name, 'pass'));
    const nameOf = ({ authorization = '' }: SeenRequest) =>
      Buffer.from(authorization.slice('Basic '.length), 'base64').toString().split(':')[0];
    server.on('GET', '/api/v2.0/systeminfo', (request) => ({
      status: 200,
      body: nameOf(request) === 'stale' ? {} : { harbor_version: 'v2.15.2' },
    }));
    server.on('GET', '/api/v2.0/projects', (request) => ({
      status: 200,
      headers: { 'x-total-count': '1' },
      body: [{ name: nameOf(request), project_id: nameOf(request) === 'a' ? 1 : 2 }],
    }));
    const projects = await harbor.listProjects({ host: server.host, credentials }, never);
    expect(projects.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  test('a credential of another host is not shown to this one', async () => {
    const { server, harbor } = await startHarborApi();
    server.on('HEAD', '/api/v2.0/projects', { status: 401 });
    const credentials = [new Credential('other.example', robot.username, robot.password)];
    await expect(harbor.hasProject({ host: server.host, credentials }, 'ml', never)).rejects.toMatchObject({
      code: 'auth',
    });
    expect(everythingSeen(server)).not.toContain('Basic');
  });
});

test('a password that Harbor repeats is not repeated here, and each failed call is counted once', async () => {
  const failures: string[] = [];
  const { server, harbor, login } = await startHarborApi({ onFailure: (_host, code) => void failures.push(code) });
  const message = `no ${robot.password} here`;
  server.use(() => ({ status: 500, body: { errors: [{ code: 'UNKNOWN', message }] } }));
  const error = await harbor.listRepositories(login, 'ml', never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'upstream' });
  expect(String(error)).not.toContain(robot.password);
  expect(failures).toEqual(['upstream']);
});
