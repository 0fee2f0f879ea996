/** Where a variant runs: a Harbor with a proxy-cache project whose upstream counts, and a robot that may pull and look whether a manifest is there. */

import { randomBytes } from 'node:crypto';
import { AdminApi } from '../../harbor/admin-api.ts';
import { parseRights, startHarbor } from '../../harness/harbor/harbor.ts';
import { startRegistry, type TestRegistry } from '../../harness/registry.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface Place {
  /** `http://host:port` */
  readonly url: string;
  readonly project: string;
  readonly login: Login;
  readonly upstream: TestRegistry;
  /** Between two looks of Harbor's background; ten of them pass before it fetches by itself. */
  readonly checkPeriodMs: number;
  /** As Harbor counts them; undefined: it does not. */
  harborRequests(): number | undefined;
  remove(): Promise<void>;
}

/** An administrator's. It has to run on this machine: its upstream listens on the loopback address. */
export interface RealHarbor {
  readonly url: string;
  readonly admin: Login;
}

const rights = parseRights('repository:pull', 'artifact:read');
const realCheckPeriodMs = 20_000;
const project = 'hub';
/** Of what is made in a real one. */
const prefix = 'stevedore-bench-';

/** The tests' double. */
export async function startDouble(checkPeriodMs = realCheckPeriodMs): Promise<Place> {
  const harbor = await startHarbor({ timing: { checkPeriodMs, badLoginDelayMs: 1_500, tagPeriodMs: 10_000 } });
  harbor.addProject(project, { proxyOf: harbor.upstream });
  const robot = harbor.addRobot({ project, name: 'nodes', permissions: rights });
  return {
    url: harbor.url,
    project,
    login: harbor.loginOf(robot),
    upstream: harbor.upstream.registry,
    checkPeriodMs,
    harborRequests: () => harbor.requests.length,
    remove: () => harbor.remove(),
  };
}

export async function prepareReal({ url, admin }: RealHarbor): Promise<Place> {
  const api = new AdminApi(url, admin);
  await api.removeLeftovers(prefix);
  const name = `${prefix}${randomBytes(4).toString('hex')}`;
  await using ends = new AsyncDisposableStack();
  const upstream = await startRegistry();
  ends.defer(() => upstream.remove());
  const endpoint = { name, type: 'docker-registry', url: `http://${upstream.host}`, insecure: true };
  const registry = await api.create('/registries', endpoint);
  ends.defer(() => api.remove(registry));
  const registryId = Number(registry.split('/').at(-1));
  await api.call('POST', '/projects', {
    project_name: name,
    metadata: { public: 'false' },
    registry_id: registryId,
  });
  ends.defer(() => api.removeProject(name));
  const robot = await api.call('POST', '/robots', {
    name: 'nodes',
    duration: -1,
    level: 'project',
    permissions: [{ kind: 'project', namespace: name, access: rights }],
  });
  const {
    id,
    name: username,
    secret: password,
  } = JSON.parse(robot.body.toString()) as {
    id: number;
    name: string;
    secret: string;
  };
  ends.defer(() => api.remove(`/robots/${id}`));
  const kept = ends.move();
  return {
    url,
    project: name,
    login: { username, password },
    upstream,
    checkPeriodMs: realCheckPeriodMs,
    harborRequests: () => undefined,
    remove: () => kept.disposeAsync(),
  };
}
