/** Behaviours on a real Harbor, as its administrator. All that it makes has names of its own, and is removed at the end. */

import { randomBytes } from 'node:crypto';
import { basic } from '../contract/harbor/subject.ts';
import { parseRights, type UpstreamState } from '../harness/harbor/harbor.ts';
import { pushImage } from '../harness/push.ts';
import { startRegistry } from '../harness/registry.ts';
import { AdminApi, toRepositoryPath } from './admin-api.ts';
import { putContent } from './content-push.ts';
import { startRelay, toListenAddress } from './relay.ts';
import { startScanner, type TestScanner } from './scanner.ts';
import type { BehaviourSubject, Login, SubjectProject } from './subject.ts';
import { until } from './waiting.ts';

export interface RealHarbor {
  readonly url: string;
  readonly admin: Login;
  /** This machine, as Harbor reaches it; undefined: Harbor runs on it. */
  readonly ownHost: string | undefined;
}

const prefix = 'stevedore-test-';
/** Between two looks of a proxy project's background (Harbor 2.15.2). */
const checkPeriodMs = 20_000;
/** It looks at upstreams every five minutes. */
const unhealthyMs = 400_000;

interface ScanOverview {
  readonly scan_overview?: Readonly<Record<string, { readonly scan_status: string; readonly severity?: string }>>;
}

export async function makeRealSubject({ url, admin, ownHost }: RealHarbor): Promise<BehaviourSubject> {
  const api = new AdminApi(url, admin);
  await api.removeLeftovers(prefix);
  const mark = `${prefix}${randomBytes(4).toString('hex')}`;
  /** Last in, first out. */
  const ends: (() => Promise<void>)[] = [];
  const robots = new Map<string, string>();
  let scanner: TestScanner | undefined;
  let scannerId = '';
  let made = 0;
  let upstreamState: UpstreamState = 'healthy';

  const upstream = await startRegistry();
  ends.push(() => upstream.remove());
  let upstreamAddress = upstream.host;
  if (ownHost !== undefined) {
    const relay = await startRelay(upstream.host, toListenAddress(ownHost));
    ends.push(() => relay.stop());
    upstreamAddress = `${ownHost}:${relay.port}`;
  }
  const registry = { name: mark, type: 'docker-registry', url: `http://${upstreamAddress}`, insecure: true };
  const registryPath = await api.create('/registries', registry);
  ends.push(() => api.remove(registryPath));

  const addRobot = async (body: object): Promise<Login> => {
    made += 1;
    const wanted = { duration: -1, ...body };
    const reply = await api.call('POST', '/robots', wanted);
    const { id, name, secret } = JSON.parse(reply.body.toString()) as { id: number; name: string; secret: string };
    robots.set(name, `/robots/${id}`);
    ends.push(() => api.remove(`/robots/${id}`));
    return { username: name, password: secret };
  };
  const artifactPath = (repository: string, reference: string) =>
    `${toRepositoryPath(repository)}/artifacts/${reference}`;

  return {
    name: url,
    url,
    host: new URL(url).host,
    admin,
    checkPeriodMs,
    upstream,
    async project({ public: isPublic = false, proxy = false, metadata = {} } = {}) {
      made += 1;
      const name = `${mark}-${made}`;
      const registryId = Number(registryPath.split('/').at(-1));
      await api.call('POST', '/projects', {
        project_name: name,
        metadata: { public: String(isPublic) },
        ...(proxy ? { registry_id: registryId } : {}),
      });
      ends.push(() => api.removeProject(name));
      // Some of it is not taken when the project is made.
      if (Object.keys(metadata).length > 0) await api.call('PUT', `/projects/${name}`, { metadata });
      const { project_id: id } = await api.get<{ project_id: number }>(`/projects/${name}`);
      return { name, id };
    },
    robot: (project, ...rights) =>
      addRobot({
        name: `r${made}`,
        level: 'project',
        permissions: [{ kind: 'project', namespace: project, access: parseRights(...rights) }],
      }),
    systemRobot: (inProjects, inSystem) =>
      addRobot({
        name: `${mark}-${made}`,
        level: 'system',
        permissions: [
          { kind: 'project', namespace: '*', access: parseRights(...inProjects) },
          { kind: 'system', namespace: '/', access: parseRights(...inSystem) },
        ],
      }),
    async disable({ username }) {
      const path = robots.get(username) ?? '';
      await api.call('PUT', path, { ...(await api.get<object>(path)), disable: true });
    },
    push: (repository, tag, image) =>
      pushImage({ origin: url, authorization: basic(admin)['authorization'] }, repository, tag, image),
    put: (repository, content) => putContent(url, admin, repository, content),
    async label(repository, reference, project) {
      made += 1;
      return addLabel(project, repository, reference, `label${made}`);
    },
    async addLabel(project, repository, reference, name) {
      await addLabel(project, repository, reference, name);
    },
    async useScanner({ name }) {
      if (scanner === undefined) {
        const started = await startScanner(toListenAddress(ownHost));
        scanner = started;
        ends.push(() => started.stop());
        const address = `http://${ownHost ?? '127.0.0.1'}:${started.port}`;
        const path = await api.create('/scanners', { name: mark, url: address, auth: '', skip_certVerify: true });
        ends.push(() => api.remove(path));
        scannerId = path.split('/').at(-1) ?? '';
      }
      await api.call('PUT', `/projects/${name}/scanner`, { uuid: scannerId });
    },
    async scan(_, repository, reference, severity) {
      if (scanner === undefined) throw new Error('no scanner');
      scanner.severity = severity;
      const path = artifactPath(repository, reference);
      await api.call('POST', `${path}/scan`, { scan_type: 'vulnerability' });
      await until(async () => {
        const { scan_overview: all = {} } = await api.get<ScanOverview>(`${path}?with_scan_overview=true`);
        const [overview] = Object.values(all);
        return overview?.scan_status === 'Success' && overview.severity === severity;
      }, `a scan that finds ${severity}`);
    },
    async retain({ name, id }, template, parameter) {
      const everything = { kind: 'doublestar', pattern: '**' };
      const rule = {
        action: 'retain',
        template,
        params: { [template]: parameter },
        tag_selectors: [{ ...everything, decoration: 'matches', extras: '{"untagged":true}' }],
        scope_selectors: { repository: [{ ...everything, decoration: 'repoMatches' }] },
      };
      const trigger = { kind: 'Schedule', settings: { cron: '' }, references: {} };
      const policy = { algorithm: 'or', rules: [rule], trigger, scope: { level: 'project', ref: id } };
      const { metadata } = await api.get<{ metadata: Record<string, string> }>(`/projects/${name}`);
      const known = metadata['retention_id'];
      if (known === undefined) await api.call('POST', '/retentions', policy);
      else await api.call('PUT', `/retentions/${known}`, { id: Number(known), ...policy });
    },
    removeArtifact: (_, repository, reference) => api.remove(artifactPath(repository, reference)),
    async setUpstream(state: UpstreamState) {
      if (state === upstreamState) return;
      upstreamState = state;
      upstream.faults.hang = state === 'hanging';
      upstream.faults.status = typeof state === 'number' ? () => state : undefined;
      if (state === 'down' || state === 'unhealthy') await upstream.stop();
      else await upstream.start();
      const believes = (status: string) => async () =>
        (await api.get<{ status: string }>(registryPath)).status === status;
      // Harbor looks every five minutes; a change of the endpoint is only taken, and makes it look at once, while the upstream answers.
      if (state === 'unhealthy') await until(believes('unhealthy'), 'an unhealthy upstream', unhealthyMs);
      if (state !== 'healthy') return;
      await api.call('PUT', registryPath, { name: mark });
      await until(believes('healthy'), 'a healthy upstream');
    },
    async remove() {
      await upstream.start();
      const errors: unknown[] = [];
      for (const end of ends.toReversed()) await end().catch((error: unknown) => errors.push(error));
      if (errors.length > 0) throw new AggregateError(errors, `not all of ${mark} could be removed from ${url}`);
    },
  };

  async function addLabel({ id }: SubjectProject, repository: string, reference: string, name: string) {
    const find = async () =>
      (await api.get<{ id: number; name: string }[]>(`/labels?scope=p&project_id=${id}&name=${name}`)).find(
        (one) => one.name === name,
      );
    if ((await find()) === undefined) await api.call('POST', '/labels', { name, scope: 'p', project_id: id });
    const label = await find();
    await api.call('POST', `${artifactPath(repository, reference)}/labels`, { id: label?.id });
    return label?.id ?? 0;
  }
}
