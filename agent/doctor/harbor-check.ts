/** One Harbor as this node sees it: reachable, who we are there, and what each project lets us do. */

import type { Credential } from '../core/credentials.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import type { Harbor, HarborLogin, HarborProject } from '../registry/harbor.ts';
import { lacks, type ProjectNeeds } from './harbor-needs.ts';

/** Harbor's tokens tolerate 60 s (2.15); half of it is worth a word. */
const skewMs = { warning: 10_000, failure: 60_000 };
const dayMs = 86_400_000;
const expiresSoonMs = 14 * dayMs;

export interface HarborCheckParts {
  readonly harbor: Harbor;
  readonly login: HarborLogin;
  readonly now: () => number;
}

/** Version, clock, components and logins. @returns whether it answers */
export async function checkHarbor(
  { harbor, login, now }: HarborCheckParts,
  tell: Tell,
  signal: AbortSignal,
): Promise<boolean> {
  const subject = login.host;
  try {
    await harbor.ping(login, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { message } = Failure.from(error);
    const advice = 'check the name, the network, proxies (HTTPS_PROXY, NO_PROXY) and the authority (caFile)';
    tell({ check: 'harbor', level: 'failure', subject, message, advice });
    return false;
  }
  const { version, readOnly, clock } = await harbor.system(login, signal);
  if (version === undefined) {
    const message = 'answers, but takes no credential of this configuration: its version is not told';
    tell({ check: 'harbor', level: 'warning', subject, message });
  } else {
    const note = readOnly === true ? ', read-only' : '';
    tell({ check: 'harbor', level: 'ok', subject, message: `Harbor ${version}${note}` });
  }
  if (clock === undefined) {
    tell({ check: 'clock', level: 'not_checked', subject, message: 'Harbor tells its time only to who is logged in' });
  } else checkClock(clock.harborAt - clock.ownAt, subject, tell);
  for (const { name, healthy, error } of await harbor.health(login, signal)) {
    if (!healthy) {
      const message = `${name} is unhealthy${error === undefined ? '' : `: ${error}`}`;
      tell({ check: 'harbor_health', level: 'failure', subject, message });
    }
  }
  for (const credential of login.credentials) await checkCredential(harbor, login.host, credential, tell, signal);
  if (login.credentials.length === 0) {
    tell({
      check: 'credential',
      level: 'warning',
      subject,
      message: 'there is none: only public projects can be pulled',
    });
  }
  await checkExpiry(harbor, login, now(), tell, signal);
  return true;
}

function checkClock(differenceMs: number, subject: string, tell: Tell): void {
  const seconds = Math.round(differenceMs / 1000);
  const message = `Harbor's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} this node's`;
  const difference = Math.abs(differenceMs);
  const level = difference >= skewMs.failure ? 'failure' : difference >= skewMs.warning ? 'warning' : 'ok';
  if (level === 'ok') tell({ check: 'clock', level, subject, message });
  else
    tell({ check: 'clock', level, subject, message, advice: 'set both by NTP: tokens and certificates depend on it' });
}

async function checkCredential(harbor: Harbor, host: string, credential: Credential, tell: Tell, signal: AbortSignal) {
  const subject = `${credential.username} at ${host}`;
  if (await harbor.acceptsCredential(host, credential, signal)) {
    tell({ check: 'credential', level: 'ok', subject, message: 'is accepted' });
    return;
  }
  tell({
    check: 'credential',
    level: 'failure',
    subject,
    message: 'is refused: wrong, expired, disabled, or mangled on its way into the file look the same',
    advice:
      'look at the robot in Harbor; give it a new secret; quote $ and + where a shell or a template writes the file; the prefix of all robots may have changed',
  });
}

async function checkExpiry(
  harbor: Harbor,
  login: HarborLogin,
  now: number,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const subject = login.host;
  try {
    const robots = await harbor.listRobots(login, signal);
    const own = robots.filter(({ name }) => login.credentials.some(({ username }) => username === name));
    for (const { name, expiresAt } of own) {
      const days = expiresAt === undefined ? undefined : Math.floor((expiresAt - now) / dayMs);
      if (expiresAt === undefined || days === undefined)
        tell({ check: 'robot', level: 'ok', subject: name, message: 'never expires' });
      else if (expiresAt - now > expiresSoonMs)
        tell({ check: 'robot', level: 'ok', subject: name, message: `expires in ${days} days` });
      else
        tell({
          check: 'robot',
          level: 'warning',
          subject: name,
          message: `expires in ${days} days`,
          advice: 'renew it in Harbor',
        });
    }
    if (own.length > 0) return;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
  }
  const message = 'when the robot expires is not told to it: only a system robot with robot:read may know';
  tell({ check: 'robot', level: 'not_checked', subject, message });
}

/** One project that the configuration names. @returns what Harbor says of it, where it does */
export async function checkProject(
  { harbor, login }: HarborCheckParts,
  { project, host, needs }: ProjectNeeds,
  tell: Tell,
  signal: AbortSignal,
): Promise<HarborProject | undefined> {
  const subject = `${host}/${project}`;
  const seen = (await harbor.listProjects(login, signal)).find(({ name }) => name === project);
  if (seen === undefined) {
    const exists = await harbor.hasProject(login, project, signal);
    tell({
      check: 'project',
      level: 'failure',
      subject,
      message: exists ? 'exists, but this account has no right in it' : 'does not exist',
      advice: exists ? 'give the robot access to the project' : 'mend the name in the configuration',
    });
    return undefined;
  }
  tell({ check: 'project', level: 'ok', subject, message: seen.isPublic ? 'is there, public' : 'is there' });
  const permissions = await harbor.readPermissions(login, seen.id, signal);
  const missing = needs.filter((need) => lacks(permissions, need));
  for (const need of missing) {
    if (seen.isPublic && need.resource === 'repository' && need.action === 'pull') continue;
    tell({
      check: 'permissions',
      level: need.isOptional ? 'warning' : 'failure',
      subject,
      message: `${need.resource}:${need.action} is missing: needed for ${need.neededFor}`,
      advice: `tick it for the robot in Harbor, project ${project}`,
    });
  }
  if (missing.length === 0) {
    tell({ check: 'permissions', level: 'ok', subject, message: `all ${needs.length} that the configuration needs` });
  }
  if (seen.upstreamId !== undefined) await checkProxy(harbor, login, seen, subject, tell, signal);
  return seen;
}

async function checkProxy(
  harbor: Harbor,
  login: HarborLogin,
  { upstreamId, metadata }: HarborProject,
  subject: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const flags = [
    'proxy_speed_kb',
    'max_upstream_conn',
    'proxy_cache_local_on_not_found',
    'prevent_vul',
    'retention_id',
  ];
  const set = flags.flatMap((name) => (metadata[name] === undefined ? [] : [`${name}=${metadata[name]}`]));
  const words = set.length === 0 ? '' : ` (${set.join(', ')})`;
  tell({ check: 'proxy_project', level: 'ok', subject, message: `is a proxy cache of registry ${upstreamId}${words}` });
  if (metadata['prevent_vul'] === 'true') {
    tell({
      check: 'proxy_project',
      level: 'warning',
      subject,
      message:
        'blocks vulnerable images, but the first pull of each through a proxy cache passes: Harbor knows it only afterwards',
    });
  }
  if (upstreamId === undefined) return;
  try {
    const { name, url, status } = await harbor.readUpstream(login, upstreamId, signal);
    const message = `${name} (${url}) is ${status}`;
    if (status === 'healthy') tell({ check: 'upstream', level: 'ok', subject, message });
    else {
      const advice = 'Harbor checks every 5 minutes; until then it answers from its cache, and 404 for the rest';
      tell({ check: 'upstream', level: 'failure', subject, message, advice });
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = `its upstream's state is told to system robots with registry:read: ${Failure.from(error).message}`;
    tell({ check: 'upstream', level: 'not_checked', subject, message });
  }
}
