/** What goes wrong with Harbor's REST API where one believes it, each trap by itself. */

import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../agent/core/logger.ts';
import { startHarborApi } from './harbor-setup.ts';
import { never } from './setup.ts';
import type { Answer, SeenRequest } from './stub-server.ts';

const hex = (index: number) => index.toString(16).padStart(64, '0');

function artifact(index: number, changes: object = {}): object {
  return {
    digest: `sha256:${hex(index)}`,
    type: 'IMAGE',
    repository_name: 'ml/llm',
    push_time: '2026-11-21T10:58:00.499Z',
    pull_time: '0001-01-01T00:00:00.000Z',
    tags: [{ name: `t${index}`, push_time: '2026-11-21T10:58:00.505Z', pull_time: '0001-01-01T00:00:00.000Z' }],
    ...changes,
  };
}

function queryOf({ path }: SeenRequest): URLSearchParams {
  return new URL(path, 'http://x').searchParams;
}

/** Serves a list as Harbor does, page by page. */
function paged(all: readonly object[], headers: (total: number) => Record<string, string>) {
  return (request: SeenRequest): Answer => {
    const query = queryOf(request);
    const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size') ?? 10)];
    if (size > 100) return { status: 422, body: { errors: [{ code: 'UNPROCESSABLE_ENTITY', message: 'page_size' }] } };
    return { status: 200, headers: headers(all.length), body: all.slice((page - 1) * size, page * size) };
  };
}

const artifactsPath = '/api/v2.0/projects/ml/repositories/llm/artifacts';
const withTotal = (total: number) => ({ 'x-total-count': String(total) });

describe('pages', () => {
  const all = Array.from({ length: 250 }, (_, index) => artifact(index));

  test('a hundred at a time, as many as the total says', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on('GET', artifactsPath, paged(all, withTotal));
    expect(await harbor.listArtifacts(login, 'ml', 'llm', {}, never)).toHaveLength(250);
    expect(server.requests.map((one) => queryOf(one).get('page'))).toEqual(['1', '2', '3']);
  });

  test('without a total until a page is empty', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on(
      'GET',
      artifactsPath,
      paged(all, () => ({})),
    );
    expect(await harbor.listArtifacts(login, 'ml', 'llm', {}, never)).toHaveLength(250);
    expect(server.requests).toHaveLength(4);
  });

  test('a total that is never reached ends with an empty page', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on(
      'GET',
      artifactsPath,
      paged(all.slice(0, 30), () => withTotal(31)),
    );
    expect(await harbor.listArtifacts(login, 'ml', 'llm', {}, never)).toHaveLength(30);
  });

  test('Link is not followed: it is not escaped, and it could lead anywhere', async () => {
    const { server, harbor, login } = await startHarborApi();
    const link = { link: '<http://169.254.169.254/?q=tags=[x>; rel="next"' };
    server.on(
      'GET',
      artifactsPath,
      paged(all, (total) => ({ ...withTotal(total), ...link })),
    );
    expect(await harbor.listArtifacts(login, 'ml', 'llm', {}, never)).toHaveLength(250);
    expect(server.requests.every((one) => queryOf(one).get('q') === 'tags=*')).toBe(true);
  });

  test('somebody who answers every page with the first is not asked for ever', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on('GET', artifactsPath, { status: 200, body: all.slice(0, 100) });
    await expect(harbor.listArtifacts(login, 'ml', 'llm', {}, never)).rejects.toMatchObject({ code: 'upstream' });
    expect(server.requests).toHaveLength(2);
  });
});

describe('conditions that Harbor ignores', () => {
  const labels = [{ id: 2, name: 'edge' }];
  const labelled = [
    artifact(1, { labels }),
    artifact(2, { labels: null }),
    artifact(3, { labels, tags: null }),
    artifact(4, { labels, repository_name: 'ml/other' }),
    artifact(5, { labels, digest: 'sha256:x' }),
  ];

  test('are looked at once more here', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on('GET', artifactsPath, paged(labelled, withTotal));
    const projects = [
      { name: 'xml', project_id: 8 },
      { name: 'ml', project_id: 7 },
    ];
    server.on('GET', '/api/v2.0/projects', paged(projects, withTotal));
    server.on('GET', '/api/v2.0/labels', (request) => {
      const isGlobal = queryOf(request).get('scope') === 'g';
      const body = isGlobal ? [] : [{ id: 2, name: 'edge' }];
      return { status: 200, headers: withTotal(body.length), body };
    });
    const list = () => harbor.listArtifacts(login, 'ml', 'llm', { labels: ['edge'] }, never);
    expect((await list()).map(({ digest }) => digest)).toEqual([`sha256:${hex(1)}`]);
    const [asked] = server.seen('GET', artifactsPath);
    // A label goes by its id, in parentheses even if it is one; the space would be a plus to Harbor.
    expect(asked?.path).toContain('q=tags%3D*%2Clabels%3D(2)&');
    expect(server.seen('GET', '/api/v2.0/labels').map((one) => queryOf(one).get('project_id'))).toEqual([null, '7']);

    const before = server.seen('GET', '/api/v2.0/labels').length;
    await list();
    expect(server.seen('GET', '/api/v2.0/labels')).toHaveLength(before);
  });

  test('labels that may not be looked up are filtered by name alone', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on('GET', artifactsPath, paged(labelled, withTotal));
    server.on('GET', '/api/v2.0/projects', {
      status: 200,
      headers: withTotal(1),
      body: [{ name: 'ml', project_id: 7 }],
    });
    server.on('HEAD', '/api/v2.0/projects', { status: 200 });
    const refusal: Answer = { status: 403, body: { errors: [{ code: 'FORBIDDEN', message: 'forbidden' }] } };
    server.on('GET', '/api/v2.0/labels', (request) =>
      queryOf(request).get('scope') === 'g' ? { status: 200, body: [] } : refusal,
    );
    const found = await harbor.listArtifacts(login, 'ml', 'llm', { labels: ['edge'] }, never);
    expect(found.map(({ digest }) => digest)).toEqual([`sha256:${hex(1)}`]);
    expect(queryOf(server.seen('GET', artifactsPath)[0] as SeenRequest).get('q')).toBe('tags=*');
  });
});

test('the report of a scan may have any name, and a summary that is null', async () => {
  const { server, harbor, login } = await startHarborApi();
  const report = { scan_status: 'Running', severity: null, summary: null };
  server.on('GET', `${artifactsPath}/v1`, {
    status: 200,
    body: artifact(1, { scan_overview: { 'application/vnd.vendor+json; version=9': report } }),
  });
  const { scan } = await harbor.readArtifact(login, 'ml', 'llm', 'v1', never);
  expect(scan).toEqual({ status: 'Running', severity: undefined });
});

test('no cookie comes back, every request has an id, and it is logged', async () => {
  const lines: unknown[] = [];
  const log = { ...silentLogger, debug: (fields: unknown) => void lines.push(fields) };
  const { server, harbor, login } = await startHarborApi({ log });
  server.on('HEAD', '/api/v2.0/projects', { status: 200, headers: { 'set-cookie': 'sid=1; Path=/' } });
  await harbor.hasProject(login, 'ml', never);
  await harbor.hasProject(login, 'ml', never);
  const ids = server.requests.map(({ headers }) => headers['x-request-id']);
  expect(server.requests.map(({ headers }) => headers.cookie)).toEqual([undefined, undefined]);
  expect(new Set(ids).size).toBe(2);
  expect(lines).toMatchObject(ids.map((requestId) => ({ requestId, status: 200 })));
});

test('a name that is all digits is said to be a name', async () => {
  const { server, harbor, login } = await startHarborApi();
  server.on('GET', '/api/v2.0/projects/12345', { status: 200, body: { project_id: 7, name: '12345', metadata: null } });
  expect(await harbor.readProject(login, '12345', never)).toMatchObject({ id: 7, metadata: {} });
  expect(server.requests[0]?.headers['x-is-resource-name']).toBe('true');
});

describe('absence is believed only where Harbor says it', () => {
  test.each<[string, Answer]>([
    ['a page', { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>404</html>' }],
    ['nothing', { status: 404 }],
    ['another API', { status: 404, body: { error: 'not found' } }],
  ])('not from %s', async (_what, answer) => {
    const { server, harbor, login } = await startHarborApi();
    server.use(() => answer);
    await expect(harbor.readArtifact(login, 'ml', 'llm', 'v1', never)).rejects.toMatchObject({ code: 'upstream' });
    await expect(harbor.hasProject(login, 'ml', never)).rejects.toMatchObject({ code: 'upstream' });
  });

  test.each<[string, Answer]>([
    ["the portal's page", { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Harbor</html>' }],
    ['an object in place of a list', { status: 200, body: {} }],
  ])('not from %s with status 200', async (_what, answer) => {
    const { server, harbor, login } = await startHarborApi();
    server.use(() => answer);
    await expect(harbor.listRepositories(login, 'ml', never)).rejects.toMatchObject({ code: 'upstream' });
    await expect(harbor.ping(login, never)).rejects.toMatchObject({ code: 'upstream' });
    await expect(harbor.listProjects({ ...login, credentials: [] }, never)).rejects.toMatchObject({ code: 'upstream' });
    await expect(harbor.readArtifact(login, 'ml', 'llm', 'v1', never)).rejects.toMatchObject({ code: 'upstream' });
  });
});

test('an abort reaches a request under way', async () => {
  const { server, harbor, login } = await startHarborApi();
  server.use(() => 'hang');
  const controller = new AbortController();
  const call = harbor.listRepositories(login, 'ml', controller.signal);
  setImmediate(() => controller.abort(new Error('enough')));
  await expect(call).rejects.toThrow('enough');
});

describe("what Harbor keeps under Docker Hub's library/", () => {
  const digest = `sha256:${hex(1)}`;
  const absent: Answer = { status: 404, body: { errors: [{ code: 'NOT_FOUND', message: 'artifact not found' }] } };

  test('is found by digest under the short name', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.on('GET', `/api/v2.0/projects/hub/repositories/nginx/artifacts/${digest}`, absent);
    server.on('GET', `/api/v2.0/projects/hub/repositories/library%252Fnginx/artifacts/${digest}`, {
      status: 200,
      body: artifact(1, { repository_name: 'hub/library/nginx' }),
    });
    expect(await harbor.readArtifact(login, 'hub', 'nginx', digest, never)).toMatchObject({ digest });
    await expect(harbor.readArtifact(login, 'hub', 'nginx', 'v1', never)).rejects.toBeDefined();
  });

  test('is absent where neither name has it', async () => {
    const { server, harbor, login } = await startHarborApi();
    server.use(() => absent);
    await expect(harbor.readArtifact(login, 'hub', 'nginx', digest, never)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('hub/nginx@'),
    });
  });
});
