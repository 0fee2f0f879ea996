/** What a project of Harbor lets this agent do. */

import { matchesProject } from '../core/artifact-selection.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import type { Harbor, HarborLogin, HarborProject } from '../registry/harbor.ts';
import { attempt } from './doctor.ts';
import { findMissing, type ProjectNeed, type ProjectNeeds } from './harbor-needs.ts';

export interface ProjectCheckParts {
  readonly harbor: Harbor;
  /** With the credentials that count for this project. */
  readonly login: HarborLogin;
  /** The projects that it sees. */
  readonly listed: readonly HarborProject[];
}

/** A pattern may name hundreds. */
const maxProjects = 20;

/** Those that the configuration names by one name or glob. @returns those that this account sees */
export async function checkProjects(
  parts: ProjectCheckParts,
  { host, project, globs, needs }: ProjectNeeds,
  tell: Tell,
  signal: AbortSignal,
): Promise<readonly HarborProject[]> {
  const subject = `${host}/${project}`;
  const found = parts.listed.filter(({ name }) =>
    globs.length === 0 ? name === project : globs.some((pattern) => matchesProject(pattern, name)),
  );
  if (found.length === 0) {
    if (globs.length === 0) await tellAbsence(parts, project, subject, tell, signal);
    else {
      const message = 'matches no project that this account sees';
      const advice = 'mend the pattern, or give the robot access to the projects that are meant';
      tell({ check: 'project', level: 'failure', subject, message, advice });
    }
    return [];
  }
  if (found.length > maxProjects) {
    const message = `matches ${found.length} projects; only the first ${maxProjects} are looked at`;
    tell({ check: 'project', level: 'not_checked', subject, message });
  }
  const checked = found.slice(0, maxProjects);
  for (const one of checked) await checkOne(parts, one, needs, tell, signal);
  return checked;
}

/** Harbor's own answer is 403 for both (2.15). */
async function tellAbsence(
  { harbor, login }: ProjectCheckParts,
  project: string,
  subject: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const about = { check: 'project', level: 'failure', subject } as const;
  try {
    if (await harbor.hasProject(login, project, signal)) {
      const advice = 'give the robot access to the project';
      tell({ ...about, message: 'exists, but this account has no right in it', advice });
    } else tell({ ...about, message: 'does not exist', advice: 'mend the name in the configuration' });
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (failure.code !== 'auth') throw failure;
    const message = 'is not among the public projects; whether it exists is told only to valid credentials';
    tell({ ...about, message, advice: 'mend the name, or the credential for it' });
  }
}

async function checkOne(
  { harbor, login }: ProjectCheckParts,
  project: HarborProject,
  needs: readonly ProjectNeed[],
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { id, name, isPublic, upstreamId } = project;
  const subject = `${login.host}/${name}`;
  tell({ check: 'project', level: 'ok', subject, message: isPublic ? 'is there, public' : 'is there' });
  await attempt({ check: 'permissions', subject }, tell, signal, async () => {
    const permissions = login.credentials.length === 0 ? [] : await harbor.readPermissions(login, id, signal);
    const missing = findMissing(permissions, needs, { isPublic, isProxied: upstreamId !== undefined });
    tellPermissions(missing, name, subject, tell);
  });
  if (upstreamId === undefined) return;
  tellFlags(project, upstreamId, subject, tell);
  await checkUpstream(harbor, login, upstreamId, subject, tell, signal);
}

function tellPermissions(missing: readonly ProjectNeed[], project: string, subject: string, tell: Tell): void {
  const about = { check: 'permissions', subject } as const;
  const advice = `tick it for the robot in Harbor, project ${project}`;
  const needed = missing.filter(({ weight }) => weight !== 'informative');
  for (const { resource, action, neededFor, weight } of needed) {
    const level = weight === 'required' ? 'failure' : 'warning';
    const message = `${resource}:${action} is missing, which is needed for ${neededFor}`;
    tell({ ...about, level, message, advice });
  }
  if (needed.length === 0) tell({ ...about, level: 'ok', message: 'all that the configuration needs' });
  const untold = Map.groupBy(
    missing.filter(({ weight }) => weight === 'informative'),
    ({ neededFor }) => neededFor,
  );
  for (const [neededFor, needs] of untold) {
    const words = needs.map(({ resource, action }) => `${resource}:${action}`).join(', ');
    tell({ ...about, level: 'not_checked', message: `${neededFor} cannot be had without ${words}` });
  }
}

const flags = ['proxy_speed_kb', 'max_upstream_conn', 'proxy_cache_local_on_not_found', 'prevent_vul', 'severity'];

function tellFlags({ metadata }: HarborProject, upstreamId: number, subject: string, tell: Tell): void {
  const about = { check: 'proxy_project', subject } as const;
  const set = flags.flatMap((flag) => (metadata[flag] === undefined ? [] : [`${flag}=${metadata[flag]}`]));
  const words = set.length === 0 ? '' : ` (${set.join(', ')})`;
  tell({ ...about, level: 'ok', message: `is a proxy cache of registry ${upstreamId}${words}` });
  if (metadata['prevent_vul'] === 'true') {
    const message = 'blocks vulnerable images, but not the first pull of each: Harbor scans only what it has stored';
    const advice = 'do not rely on the block here';
    tell({ ...about, level: 'warning', message, advice });
  }
  if (/^[1-9]\d*$/.test(metadata['max_upstream_conn'] ?? '')) {
    const message = `max_upstream_conn=${metadata['max_upstream_conn']}: more at once are refused with 429, not queued`;
    tell({
      ...about,
      level: 'warning',
      message,
      advice: 'keep warm.maxParallel below it, and do not turn warming off',
    });
  }
}

async function checkUpstream(
  harbor: Harbor,
  login: HarborLogin,
  upstreamId: number,
  subject: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const about = { check: 'upstream', subject } as const;
  try {
    const { name, url, status } = await harbor.readUpstream(login, upstreamId, signal);
    const message = `${name} (${url}) is ${status}`;
    if (status === 'healthy') tell({ ...about, level: 'ok', message });
    else {
      const advice = 'Harbor looks every 5 minutes; until then it serves what it holds, and 404 for the rest';
      tell({ ...about, level: 'failure', message, advice });
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = `the state of its upstream is told only to a system robot with registry:read: ${Failure.from(error).message}`;
    tell({ ...about, level: 'not_checked', message });
  }
}
