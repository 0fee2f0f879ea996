/**
 * Behaviours on a real Harbor, given by its plain http URL and an administrator. It has to reach this machine's loopback, where the
 * upstream listens. What the subject makes has names of its own, and is removed at the end.
 */

import { randomBytes } from 'node:crypto';
import { type Login, parseRights, type UpstreamState } from '../../harness/harbor/harbor.ts';
import { pushImage } from '../../harness/push.ts';
import { startRegistry } from '../../harness/registry.ts';
import { ask, type Reply } from './client.ts';
import { basic, type HarborSubject, type SubjectProject } from './subject.ts';

export async function makeRealSubject(url: string, admin: Login): Promise<HarborSubject> {
  const upstream = await startRegistry();
  const mark = `stv${randomBytes(4).toString('hex')}`;
  const projects: SubjectProject[] = [];
  const robots: string[] = [];
  let made = 0;

  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const reply = await ask(url, {
      method,
      path: `/api/v2.0${path}`,
      headers: { ...basic(admin), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.body.toString()}`);
    return reply;
  };
  const get = async (path: string): Promise<unknown> => JSON.parse((await call('GET', path)).body.toString());
  const registry = { name: mark, type: 'docker-registry', url: `http://${upstream.host}`, insecure: true };
  const registryPath =
    (await call('POST', '/registries', registry)).headers['location']?.replace('/api/v2.0', '') ?? '';
  const toPath = (repository: string): string => {
    const [project = '', ...rest] = repository.split('/');
    return `/projects/${project}/repositories/${encodeURIComponent(encodeURIComponent(rest.join('/')))}`;
  };
  const removeProject = async ({ name }: SubjectProject): Promise<void> => {
    const repositories = (await get(`/projects/${name}/repositories?page_size=100`)) as { name: string }[];
    for (const repository of repositories) await call('DELETE', toPath(repository.name));
    await call('DELETE', `/projects/${name}`);
  };

  return {
    name: url,
    url,
    admin,
    checkPeriodMs: 20_000,
    upstream,
    async project({ public: isPublic = false, proxy = false, metadata = {} } = {}) {
      made += 1;
      const name = `${mark}-${made}`;
      const registryId = Number(registryPath.split('/').at(-1));
      await call('POST', '/projects', {
        project_name: name,
        metadata: { public: String(isPublic) },
        ...(proxy ? { registry_id: registryId } : {}),
      });
      // Some of it is not taken when the project is made.
      if (Object.keys(metadata).length > 0) await call('PUT', `/projects/${name}`, { metadata });
      const { project_id: id } = (await get(`/projects/${name}`)) as { project_id: number };
      const project = { name, id };
      projects.push(project);
      return project;
    },
    async robot(project, ...rights) {
      made += 1;
      const permissions = [{ kind: 'project', namespace: project, access: parseRights(...rights) }];
      const wanted = { name: `r${made}`, level: 'project', duration: -1, permissions };
      const { headers, body } = await call('POST', '/robots', wanted);
      const robot = JSON.parse(body.toString()) as { name: string; secret: string };
      robots.push(headers['location']?.replace('/api/v2.0', '') ?? '');
      return { username: robot.name, password: robot.secret };
    },
    push: (repository, tag, image) =>
      pushImage({ origin: url, authorization: basic(admin)['authorization'] }, repository, tag, image),
    async label(repository, reference, { id }) {
      made += 1;
      const name = `label${made}`;
      await call('POST', '/labels', { name, scope: 'p', project_id: id });
      const [label] = (await get(`/labels?scope=p&project_id=${id}&name=${name}`)) as { id: number }[];
      await call('POST', `${toPath(repository)}/artifacts/${reference}/labels`, { id: label?.id });
      return label?.id ?? 0;
    },
    async setUpstream(state: UpstreamState) {
      upstream.faults.hang = state === 'hanging';
      upstream.faults.status = typeof state === 'number' ? () => state : undefined;
      if (state === 'down' || state === 'unhealthy') await upstream.stop();
      else await upstream.start();
      // It checks at once.
      if (state === 'unhealthy' || state === 'healthy') await call('PUT', registryPath, { name: mark });
    },
    async remove() {
      await upstream.start();
      for (const robot of robots) await call('DELETE', robot);
      for (const project of projects) await removeProject(project);
      await call('DELETE', registryPath);
      await upstream.remove();
    },
  };
}
