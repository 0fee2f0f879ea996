/** Who asks, and what they may do: the administrator, robots, and anybody in public projects. */

import type { Permission, PermissionGroup, Project, Robot } from './model.ts';

export type Account =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'admin'; readonly name: string }
  | { readonly kind: 'robot'; readonly name: string; readonly robot: Robot };

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface NewRobot {
  readonly name: string;
  readonly permissions: readonly PermissionGroup[] | readonly Permission[];
  /** Of a project robot; `permissions` may then be those in the project only. */
  readonly project?: string;
  readonly secret?: string;
  readonly description?: string;
  readonly expiresAt?: Date;
  readonly disabled?: boolean;
}

export const anonymous: Account = { kind: 'anonymous' };

/** What everybody may do in a public project. */
const publicRights = new Set(
  ['project:read', 'repository:pull', 'repository:read', 'repository:list', 'artifact:read', 'artifact:list'].concat([
    'artifact-addition:read',
    'accessory:list',
    'tag:list',
    'label:list',
    'label:read',
  ]),
);

export class Accounts {
  readonly robots: Robot[] = [];
  readonly admin: Login = { username: 'admin', password: 'Harbor12345' };
  /** Changeable at run time, as in Harbor: it renames all robots at once. */
  robotPrefix = 'robot$';

  add(wanted: NewRobot): Robot {
    const { name, project, permissions, secret = `Secret${this.robots.length + 1}` } = wanted;
    const robot: Robot = {
      id: this.robots.length + 1,
      name,
      project,
      secret,
      description: wanted.description,
      permissions: toGroups(permissions, project),
      disabled: wanted.disabled ?? false,
      expiresAt: wanted.expiresAt,
      createdAt: new Date(),
    };
    this.robots.push(robot);
    return robot;
  }

  nameOf({ name, project }: Robot): string {
    return `${this.robotPrefix}${project === undefined ? name : `${project}+${name}`}`;
  }

  loginOf(robot: Robot): Login {
    return { username: this.nameOf(robot), password: robot.secret };
  }

  /** @returns undefined for a wrong password, a disabled or an expired robot: they look the same */
  authenticate({ username, password }: Login): Account | undefined {
    if (username === this.admin.username) {
      return password === this.admin.password ? { kind: 'admin', name: username } : undefined;
    }
    const robot = this.robots.find((candidate) => this.nameOf(candidate) === username);
    if (robot === undefined || robot.secret !== password || robot.disabled) return undefined;
    if (robot.expiresAt !== undefined && robot.expiresAt.getTime() <= Date.now()) return undefined;
    return { kind: 'robot', name: username, robot };
  }
}

/** @param project undefined: a right in the system */
export function isAllowed(account: Account, project: Project | undefined, resource: string, action: string): boolean {
  if (account.kind === 'admin') return true;
  if (project?.metadata['public'] === 'true' && publicRights.has(`${resource}:${action}`)) return true;
  return rightsOf(account, project).some((right) => right.resource === resource && right.action === action);
}

/** Of the administrator in a project, as `resource:action,action`. */
const adminRights = [
  ['project:read,update,delete', 'member:create,read,update,delete,list', 'metadata:create,read,update,delete'],
  ['log:list', 'label:create,read,update,delete,list', 'quota:read', 'configuration:read,update'],
  ['repository:create,read,update,delete,list,pull,push', 'artifact:create,read,delete,list', 'artifact-addition:read'],
  ['tag-retention:create,read,update,delete,list,operate', 'immutable-tag:create,update,delete,list'],
  ['robot:create,read,update,delete,list', 'notification-policy:create,update,delete,list,read'],
  ['scan:create,read,stop', 'sbom:create,stop,read', 'scanner:read,create', 'export-cve:create,read,list'],
  ['tag:list,create,delete', 'accessory:list', 'artifact-label:create,delete'],
  ['preheat-policy:create,read,update,delete,list'],
].flat();

/** What a robot was given there, without what a public project gives everybody. */
export function rightsOf(account: Account, project: Project | undefined): readonly Permission[] {
  if (account.kind === 'admin' && project !== undefined) {
    return adminRights.flatMap((rights) => {
      const [resource = '', actions = ''] = rights.split(':');
      return actions.split(',').map((action) => ({ resource, action }));
    });
  }
  if (account.kind !== 'robot') return [];
  return account.robot.permissions
    .filter(({ kind, namespace }) =>
      project === undefined
        ? kind === 'system'
        : kind === 'project' && (namespace === '*' || namespace === project.name),
    )
    .flatMap(({ access }) => access);
}

/** A robot over `*` sees all projects, others their own and public ones. */
export function seesProject(account: Account, project: Project): boolean {
  if (account.kind === 'admin' || project.metadata['public'] === 'true') return true;
  if (account.kind === 'anonymous') return false;
  return account.robot.permissions.some(
    ({ kind, namespace }) => kind === 'project' && (namespace === '*' || namespace === project.name),
  );
}

export function parseBasic(authorization: string | undefined): Login | undefined {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

export function toBasic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** @param rights such as `repository:pull` */
export function parseRights(...rights: readonly string[]): readonly Permission[] {
  return rights.map((right) => {
    const [resource = '', action = ''] = right.split(':');
    return { resource, action };
  });
}

function toGroups(
  permissions: readonly PermissionGroup[] | readonly Permission[],
  project: string | undefined,
): readonly PermissionGroup[] {
  const groups: PermissionGroup[] = [];
  const access: Permission[] = [];
  for (const permission of permissions) {
    if ('kind' in permission) groups.push(permission);
    else access.push(permission);
  }
  if (access.length > 0) groups.push({ kind: 'project', namespace: project ?? '*', access });
  return groups;
}
