/** The REST API's system part: health, version, own rights, robots, labels. */

import { type Account, type Accounts, rightsOf } from './accounts.ts';
import { type Answer, notFound, toJson } from './answers.ts';
import { toLabelBody, toTime } from './artifact-body.ts';
import type { Call } from './call.ts';
import type { Robot } from './model.ts';
import { matches, parseQuery, toPage } from './query.ts';
import type { HarborSystem } from './system.ts';

const components = ['core', 'database', 'jobservice', 'portal', 'redis', 'registry', 'registryctl'];

export function answerHealth({ installation: { unhealthy, hasScanner } }: HarborSystem): Answer {
  const names = hasScanner ? [...components, 'trivy'] : components;
  const shown = names.map((name) => {
    const error = unhealthy.get(name);
    return error === undefined ? { name, status: 'healthy' } : { error, name, status: 'unhealthy' };
  });
  const isHealthy = shown.every(({ status }) => status === 'healthy');
  return toJson({ components: shown, status: isHealthy ? 'healthy' : 'unhealthy' });
}

export function answerPing(accept: string | undefined): Answer {
  return accept?.includes('application/json') === true
    ? toJson('Pong')
    : { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'Pong' };
}

/** A wrong secret looks like none: only the version tells who is known. */
export function answerSystemInfo({ installation }: HarborSystem, { account, headers, incoming }: Call): Answer {
  const open = {
    auth_mode: 'db_auth',
    banner_message: '',
    oidc_provider_name: '',
    primary_auth_mode: false,
    self_registration: false,
  };
  if (account.kind === 'anonymous') return toJson(open);
  const { version, readOnly, clockSkewMs, rootCertificate, externalScheme } = installation;
  const scheme = externalScheme ?? ('encrypted' in incoming.socket ? 'https' : 'http');
  return toJson({
    ...open,
    current_time: new Date(Date.now() + clockSkewMs).toISOString(),
    external_url: `${scheme}://${headers.host}`,
    harbor_version: version,
    has_ca_root: rootCertificate !== undefined,
    notification_enable: true,
    project_creation_restriction: 'everyone',
    read_only: readOnly,
    registry_storage_provider_name: 'filesystem',
    registry_url: headers.host,
  });
}

export function answerCertificate({ installation: { rootCertificate } }: HarborSystem): Answer {
  if (rootCertificate === undefined) return notFound('resource not found: cert not found in path: /etc/core/ca/ca.crt');
  return { status: 200, headers: { 'Content-Type': 'application/octet-stream' }, body: rootCertificate };
}

/** By the project's number only: a name gives an empty list. */
export function answerPermissions({ projects }: HarborSystem, { query, account }: Call): Answer {
  const scope = /^\/project\/(\d+)$/.exec(query.get('scope') ?? '')?.[1];
  const project = projects.find(({ id }) => String(id) === scope);
  if (project === undefined && query.get('scope') !== '/system' && query.has('scope')) return toJson([]);
  const relative = query.get('relative') === 'true';
  const prefix = project === undefined ? '/system' : `/project/${project.id}`;
  const shown = rightsOf(account, project).map(({ resource, action }) => {
    const name = project !== undefined && resource === 'project' ? '.' : resource;
    return { action, resource: relative ? name : name === '.' ? prefix : `${prefix}/${name}` };
  });
  return toJson(shown);
}

export function listLabels({ labels }: HarborSystem, call: Call): Answer {
  const { query } = call;
  const project = query.get('scope') === 'p' ? Number(query.get('project_id')) : undefined;
  const name = query.get('name') ?? '';
  const conditions = parseQuery(query.get('q'));
  const shown = labels.filter(
    (label) => label.projectId === project && label.name.includes(name) && matches(conditions.get('name'), label.name),
  );
  return toPage(call, shown, toLabelBody);
}

/** By itself a robot is not found: it takes a system right, or one in the project of a project robot. */
export function toRobotBody(accounts: Accounts, robot: Robot): unknown {
  const { id, project, permissions, description, disabled, expiresAt, createdAt } = robot;
  const lifetimeMs = expiresAt === undefined ? undefined : expiresAt.getTime() - createdAt.getTime();
  return {
    creation_time: toTime(createdAt),
    creator_ref: 1,
    creator_type: 'local',
    ...(description === undefined ? {} : { description }),
    disable: disabled,
    duration: lifetimeMs === undefined ? -1 : Math.ceil(lifetimeMs / 86_400_000),
    editable: true,
    expires_at: expiresAt === undefined ? -1 : Math.floor(expiresAt.getTime() / 1000),
    id,
    level: project === undefined ? 'system' : 'project',
    name: accounts.nameOf(robot),
    permissions: permissions.map(({ access, kind, namespace }) => ({
      access: access.map(({ action, resource }) => ({ action, resource })),
      kind,
      namespace,
    })),
    update_time: toTime(createdAt),
  };
}

/** Of users: robots have none. */
export function answerCurrentUser(account: Account): Answer | undefined {
  if (account.kind !== 'admin') return undefined;
  return toJson({
    realname: 'system admin',
    sysadmin_flag: true,
    user_id: 1,
    username: account.name,
  });
}
