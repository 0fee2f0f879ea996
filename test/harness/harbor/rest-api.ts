/** `/api/v2.0`: routes, and the rights that they need. */

import { type Account, isAllowed } from './accounts.ts';
import { type Answer, internalError, notFound, toError, toJson } from './answers.ts';
import { answerArtifact, listArtifacts, listProjectArtifacts } from './artifact-api.ts';
import type { Call } from './call.ts';
import type { Project } from './model.ts';
import {
  answerRepository,
  answerSummary,
  headProject,
  listProjects,
  listQuotas,
  listRepositories,
  toProjectBody,
  toRegistryBody,
  toRetentionBody,
} from './project-api.ts';
import { BadQuery, toPage, unprocessable } from './query.ts';
import type { HarborSystem } from './system.ts';
import {
  answerCertificate,
  answerCurrentUser,
  answerHealth,
  answerPermissions,
  answerPing,
  answerSystemInfo,
  listLabels,
  toRobotBody,
} from './system-api.ts';

const base = '/api/v2.0';

export class RestApi {
  readonly #system: HarborSystem;

  constructor(system: HarborSystem) {
    this.#system = system;
  }

  answer(call: Call): Answer {
    try {
      const answer = this.#route(call, call.path.slice(base.length));
      if (answer === undefined) return notFound(`path ${decode(call.path)} was not found`);
      return refusesMediaType(call) ?? answer;
    } catch (error) {
      if (error instanceof BadQuery) return toError(400, 'BAD_REQUEST', error.message);
      throw error;
    }
  }

  #route(call: Call, path: string): Answer | undefined {
    const { account, method, headers } = call;
    if (path === '/projects' && method === 'HEAD') return this.#headProject(call);
    if (method !== 'GET') return undefined;
    if (path === '/ping') return answerPing(headers.accept);
    if (path === '/health') return answerHealth(this.#system);
    if (path === '/systeminfo') return answerSystemInfo(this.#system, call);
    if (path === '/systeminfo/getcert') return answerCertificate(this.#system);
    if (path === '/projects') return listProjects(this.#system, call);
    if (path.startsWith('/projects/')) return this.#inProject(call, path.slice('/projects/'.length));
    if (path === '/labels') return this.#labels(call);
    if (account.kind === 'anonymous') return this.#isKnown(path) ? unauthorized() : undefined;
    if (path === '/users/current/permissions') return answerPermissions(this.#system, call);
    if (path === '/users/current') {
      return (
        answerCurrentUser(account) ??
        toError(412, 'PRECONDITION', 'get current user not available for security context: robot')
      );
    }
    if (path === '/quotas') return this.#whoMay(account, 'quota', 'list') ?? listQuotas(this.#system, call);
    if (path === '/robots') return this.#robots(call);
    return this.#byNumber(account, path);
  }

  #isKnown(path: string): boolean {
    return /^\/(?:users\/current(?:\/permissions)?|quotas|robots(?:\/\d+)?|(?:retentions|registries)\/\d+)$/.test(path);
  }

  /** Any valid credentials will do. */
  #headProject({ account, query }: Call): Answer {
    return account.kind === 'anonymous' ? unauthorized() : headProject(this.#system, query.get('project_name') ?? '');
  }

  #byNumber(account: Account, path: string): Answer | undefined {
    const { retentions, upstreams, accounts, projects } = this.#system;
    const [, kind, number] = /^\/(retentions|registries|robots)\/(\d+)$/.exec(path) ?? [];
    const id = Number(number);
    if (kind === 'retentions') {
      const retention = retentions.find((one) => one.id === id);
      const project = projects.find((one) => one.id === retention?.projectId);
      if (retention === undefined || project === undefined) return internalError;
      return this.#denied(account, project, 'tag-retention', 'read') ?? toJson(toRetentionBody(retention));
    }
    if (kind === 'registries') {
      const refusal = this.#whoMay(account, 'registry', 'read');
      const upstream = upstreams.find((one) => one.id === id);
      return (
        refusal ?? (upstream === undefined ? notFound(`registry ${id} not found`) : toJson(toRegistryBody(upstream)))
      );
    }
    if (kind !== 'robots') return undefined;
    const robot = accounts.robots.find((one) => one.id === id);
    if (robot === undefined) return notFound(`robot ${id} not found`);
    const project = robot.project === undefined ? undefined : this.#system.project(robot.project);
    const refusal =
      project === undefined || isAllowed(account, undefined, 'robot', 'read')
        ? this.#whoMay(account, 'robot', 'read')
        : this.#denied(account, project, 'robot', 'read');
    return refusal ?? toJson(toRobotBody(accounts, robot));
  }

  #labels(call: Call): Answer {
    const { query, account } = call;
    const scope = query.get('scope') ?? '';
    if (scope === 'g') return listLabels(this.#system, call);
    if (scope !== 'p') return toError(400, 'BAD_REQUEST', `invalid scope: ${scope}`);
    if (!query.has('project_id'))
      return toError(400, 'BAD_REQUEST', 'must with project ID when to query project labels');
    const project = this.#system.projects.find(({ id }) => String(id) === query.get('project_id'));
    return this.#denied(account, project, 'label', 'list') ?? listLabels(this.#system, call);
  }

  /** Those of the system; those of projects take a query of their own. */
  #robots(call: Call): Answer {
    const { accounts } = this.#system;
    const { account } = call;
    const refusal = this.#whoMay(account, 'robot', 'list');
    if (refusal !== undefined) return refusal;
    const shown = accounts.robots.filter(({ project }) => project === undefined);
    return toPage(call, shown, (robot) => toRobotBody(accounts, robot));
  }

  /** @param path from the project's name or number on, as it was sent */
  #inProject(call: Call, path: string): Answer | undefined {
    const { account, headers } = call;
    const [segment = '', kind, ...rest] = path.split('/');
    // Repositories are looked up by their project's name only.
    const isName = headers['x-is-resource-name'] === 'true' || kind === 'repositories' || !/^\d+$/.test(segment);
    const project = this.#system.projects.find(({ id, name }) => (isName ? name : String(id)) === decode(segment));
    const denied = (resource: string, action: string): Answer | undefined =>
      this.#denied(account, project, resource, action, segment);
    if (kind === undefined) {
      return (
        denied('project', 'read') ?? this.#with(project, (one) => toJson(toProjectBody(this.#system, one, account)))
      );
    }
    if (kind === 'summary') {
      return denied('project', 'read') ?? this.#with(project, (one) => answerSummary(this.#system, one, account));
    }
    if (kind === 'artifacts') {
      return denied('artifact', 'list') ?? this.#with(project, (one) => listProjectArtifacts(this.#system, call, one));
    }
    if (kind !== 'repositories') return undefined;
    const [name, artifacts, reference, ...more] = rest;
    if (name === undefined) {
      return denied('repository', 'list') ?? this.#with(project, (one) => listRepositories(this.#system, call, one));
    }
    const repository = this.#repositoryName(name);
    if (repository === undefined) return undefined;
    const full = `${project?.name ?? segment}/${repository}`;
    if (artifacts === undefined) return denied('repository', 'read') ?? answerRepository(this.#system, full);
    if (artifacts !== 'artifacts') return undefined;
    if (reference === undefined) return denied('artifact', 'list') ?? listArtifacts(this.#system, call, full);
    const addition = more.join('/');
    return (
      denied(...rightFor(addition)) ??
      this.#with(project, (one) => answerArtifact(this.#system, call, one, full, decode(reference), addition))
    );
  }

  /** nginx decodes a path once: what was encoded once falls apart there. */
  #repositoryName(sent: string): string | undefined {
    const once = decode(sent);
    if (this.#system.installation.behindNginx && once.includes('/')) return undefined;
    return decode(once);
  }

  #with<Result>(project: Project | undefined, run: (project: Project) => Result): Result | undefined {
    return project === undefined ? undefined : run(project);
  }

  /** Only an administrator hears that a project is absent. */
  #denied(
    account: Account,
    project: Project | undefined,
    resource: string,
    action: string,
    name = '',
  ): Answer | undefined {
    if (project === undefined && account.kind === 'admin') return notFound(`project ${name} not found`);
    if (project !== undefined && isAllowed(account, project, resource, action)) return undefined;
    return account.kind === 'anonymous' ? unauthorized() : forbidden();
  }

  #whoMay(account: Account, resource: string, action: string): Answer | undefined {
    if (account.kind === 'anonymous') return unauthorized();
    if (isAllowed(account, undefined, resource, action)) return undefined;
    // In the system's own part the message is who asked.
    return toError(403, 'FORBIDDEN', account.name);
  }
}

function rightFor(addition: string): [resource: string, action: string] {
  if (addition === 'accessories') return ['accessory', 'list'];
  if (addition === 'tags') return ['tag', 'list'];
  return addition === '' ? ['artifact', 'read'] : ['artifact-addition', 'read'];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Clients that list manifest types in every request meet this. */
function refusesMediaType({ headers, path }: Call): Answer | undefined {
  const offered = path === `${base}/ping` ? ['text/plain', 'application/json'] : ['application/json'];
  const accepted = (headers.accept ?? '*/*').split(',').map((part) => part.split(';')[0]?.trim() ?? '');
  const fits = accepted.some((type) => type === '*/*' || type === 'application/*' || offered.includes(type));
  if (fits) return undefined;
  return unprocessable('unsupported media type requested, only [application/json] are available');
}

function unauthorized(): Answer {
  return toError(401, 'UNAUTHORIZED', 'unauthorized');
}

function forbidden(): Answer {
  return toError(403, 'FORBIDDEN', 'forbidden');
}
