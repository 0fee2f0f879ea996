/** The REST API's projects and what belongs to one, quotas, retention policies and registry endpoints. */

import { type Account, isAllowed, seesProject } from './accounts.ts';
import { type Answer, notFound, toJson } from './answers.ts';
import { toTime } from './artifact-body.ts';
import type { Call } from './call.ts';
import type { Project, Repository, Retention, RetentionRule } from './model.ts';
import { matches, parseQuery, sortBy, toPage } from './query.ts';
import type { HarborSystem } from './system.ts';
import type { Upstream } from './upstream.ts';

export function listProjects(system: HarborSystem, call: Call): Answer {
  const { query, account } = call;
  const name = query.get('name') ?? '';
  const wanted = query.get('public');
  const conditions = parseQuery(query.get('q'));
  const shown = system.projects.filter(
    (project) =>
      seesProject(account, project) &&
      project.name.includes(name) &&
      (wanted === null || project.metadata['public'] === wanted) &&
      matches(conditions.get('name'), project.name),
  );
  const fields = {
    name: (project: Project) => project.name,
    creation_time: ({ createdAt }: Project) => createdAt.getTime(),
  };
  return toPage(call, sortBy(shown, query.get('sort'), 'name', fields), (project) =>
    toProjectBody(system, project, account),
  );
}

/** Tells "wrong name" from "no right", for any valid credentials. */
export function headProject({ projects }: HarborSystem, name: string): Answer {
  return projects.some((project) => project.name === name)
    ? { status: 200, headers: {} }
    : notFound(`project ${name} not found`);
}

export function toProjectBody(system: HarborSystem, project: Project, account: Account): unknown {
  const { id, name, metadata, registryId, createdAt } = project;
  const isAdmin = account.kind === 'admin';
  const time = toTime(createdAt);
  return {
    creation_time: time,
    ...(isAdmin ? { current_user_role_id: 1 } : {}),
    current_user_role_ids: isAdmin ? [1] : null,
    cve_allowlist: { creation_time: toTime(undefined), id, items: [], project_id: id, update_time: toTime(undefined) },
    metadata,
    name,
    owner_id: 1,
    owner_name: 'admin',
    project_id: id,
    ...(registryId === undefined ? {} : { registry_id: registryId }),
    repo_count: repositoriesOf(system, project).length,
    update_time: time,
  };
}

export function answerSummary(system: HarborSystem, project: Project, account: Account): Answer {
  const quota = { hard: { storage: project.quotaBytes }, used: { storage: system.usedBytes(project) } };
  return toJson({
    ...(account.kind === 'admin' ? { project_admin_count: 1 } : {}),
    ...(isAllowed(account, project, 'quota', 'read') ? { quota } : {}),
    repo_count: repositoriesOf(system, project).length,
  });
}

export function listRepositories(system: HarborSystem, call: Call, project: Project): Answer {
  const conditions = parseQuery(call.query.get('q'));
  const shown = repositoriesOf(system, project).filter(({ name }) => matches(conditions.get('name'), name));
  const fields = {
    name: ({ name }: Repository) => name,
    creation_time: ({ createdAt }: Repository) => createdAt.getTime(),
    update_time: ({ updatedAt }: Repository) => updatedAt.getTime(),
  };
  return toPage(call, sortBy(shown, call.query.get('sort'), '-creation_time', fields), (repository) =>
    toRepositoryBody(system, repository),
  );
}

export function answerRepository(system: HarborSystem, name: string): Answer {
  const repository = system.catalogue.repositories.get(name);
  return repository === undefined
    ? notFound(`repository ${name} not found`)
    : toJson(toRepositoryBody(system, repository));
}

function toRepositoryBody({ catalogue }: HarborSystem, repository: Repository): unknown {
  const { id, name, projectId, pullCount, createdAt, updatedAt, artifacts } = repository;
  const counted = [...artifacts.values()].filter(
    (artifact) =>
      artifact.subject === undefined &&
      (catalogue.tagsOf(artifact).length > 0 || catalogue.parentsOf(artifact).length === 0),
  );
  return {
    artifact_count: counted.length,
    creation_time: toTime(createdAt),
    id,
    name,
    project_id: projectId,
    pull_count: pullCount,
    update_time: toTime(updatedAt),
  };
}

function repositoriesOf({ catalogue }: HarborSystem, { id }: Project): readonly Repository[] {
  return [...catalogue.repositories.values()].filter(({ projectId }) => projectId === id);
}

export function listQuotas(system: HarborSystem, call: Call): Answer {
  const id = call.query.get('reference_id');
  const shown = system.projects.filter((project) => id === null || String(project.id) === id);
  return toPage(call, shown, (project) => ({
    creation_time: toTime(project.createdAt),
    hard: { storage: project.quotaBytes },
    id: project.id,
    ref: { id: project.id, name: project.name, owner_name: '' },
    update_time: toTime(project.createdAt),
    used: { storage: system.usedBytes(project) },
  }));
}

export function toRetentionBody({ id, projectId, rules, cron }: Retention): unknown {
  const settings = cron === undefined ? { cron: '' } : { cron, next_scheduled_time: toNextMidnight() };
  return {
    algorithm: 'or',
    id,
    rules: rules.map((rule, at) => toRuleBody(rule, at + 1)),
    scope: { level: 'project', ref: projectId },
    trigger: { kind: 'Schedule', settings },
  };
}

function toRuleBody(
  { template, params, repositories = '**', tags = '**', disabled = false }: RetentionRule,
  id: number,
): unknown {
  return {
    action: 'retain',
    ...(disabled ? { disabled } : {}),
    id,
    params,
    priority: 1,
    scope_selectors: { repository: [{ decoration: 'repoMatches', kind: 'doublestar', pattern: repositories }] },
    tag_selectors: [{ decoration: 'matches', kind: 'doublestar', pattern: tags }],
    template,
  };
}

function toNextMidnight(): string {
  const dayMs = 86_400_000;
  return toTime(new Date((Math.floor(Date.now() / dayMs) + 1) * dayMs));
}

export function toRegistryBody({ id, kind, registry, healthy, createdAt }: Upstream): unknown {
  return {
    creation_time: toTime(createdAt),
    credential: {},
    id,
    insecure: true,
    name: `upstream-${id}`,
    status: healthy ? 'healthy' : 'unhealthy',
    type: kind,
    update_time: toTime(createdAt),
    url: `http://${registry.host}`,
  };
}
