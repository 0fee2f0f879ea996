/** One Harbor as this node sees it: whether it answers, how it is, and who we are there. */

import type { Credential } from '../core/credentials.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import type { Harbor, HarborLogin } from '../registry/harbor.ts';
import { attempt } from './doctor.ts';

/** Harbor's tokens tolerate 60 s (2.15). */
const skewMs = { warning: 10_000, failure: 60_000 };
const dayMs = 86_400_000;
const expiresSoonMs = 14 * dayMs;

export interface HarborCheckParts {
  readonly harbor: Harbor;
  /** With every credential that the configuration has for this host. */
  readonly login: HarborLogin;
  readonly now: () => number;
}

/** Version, clock, components and logins. @returns whether it answers */
export async function checkHarbor(parts: HarborCheckParts, tell: Tell, signal: AbortSignal): Promise<boolean> {
  const { harbor, login } = parts;
  const subject = login.host;
  try {
    await harbor.ping(login, signal);
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    tell({ check: 'harbor', level: 'failure', subject, message: failure.message, advice: toAdvice(failure) });
    return false;
  }
  await attempt({ check: 'harbor', subject }, tell, signal, () => checkSystem(parts, tell, signal));
  await attempt({ check: 'harbor_health', subject }, tell, signal, () => checkHealth(parts, tell, signal));
  if (login.credentials.length === 0) {
    const message = 'there is none for it: only public projects can be pulled';
    const advice = 'name the file with the robot in credentials, unless that is meant';
    tell({ check: 'credential', level: 'warning', subject, message, advice });
    return true;
  }
  for (const credential of login.credentials) {
    const about = { check: 'credential', subject: `${credential.username} at ${login.host}` } as const;
    await attempt(about, tell, signal, () => checkCredential(harbor, login.host, credential, tell, signal));
  }
  await attempt({ check: 'robot', subject }, tell, signal, () => checkExpiry(parts, tell, signal));
  return true;
}

async function checkSystem({ harbor, login }: HarborCheckParts, tell: Tell, signal: AbortSignal): Promise<void> {
  const subject = login.host;
  const { version, readOnly, clock } = await harbor.system(login, signal);
  if (version === undefined) {
    const level = login.credentials.length === 0 ? 'ok' : 'warning';
    const message = 'answers; it tells its version only to who is logged in';
    tell({ check: 'harbor', level, subject, message });
  } else {
    const note = readOnly === true ? ', read-only now: pulls go on, proxy caches do not fill' : '';
    tell({
      check: 'harbor',
      level: readOnly === true ? 'warning' : 'ok',
      subject,
      message: `Harbor ${version}${note}`,
    });
  }
  if (clock === undefined) {
    const message = 'Harbor tells its time only to who is logged in';
    tell({ check: 'clock', level: 'not_checked', subject, message });
  } else checkClock(clock.harborAt - clock.ownAt, subject, tell);
}

function checkClock(differenceMs: number, subject: string, tell: Tell): void {
  const seconds = Math.round(differenceMs / 1000);
  const where = seconds === 0 ? 'agrees with' : `is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'}`;
  const message = `Harbor's clock ${where} this node's`;
  const difference = Math.abs(differenceMs);
  if (difference < skewMs.warning) tell({ check: 'clock', level: 'ok', subject, message });
  else {
    const level = difference >= skewMs.failure ? 'failure' : 'warning';
    const advice = 'set both by NTP: tokens and certificates depend on it';
    tell({ check: 'clock', level, subject, message, advice });
  }
}

async function checkHealth({ harbor, login }: HarborCheckParts, tell: Tell, signal: AbortSignal): Promise<void> {
  const about = { check: 'harbor_health', subject: login.host } as const;
  const components = await harbor.health(login, signal);
  for (const { name, healthy, error } of components) {
    if (healthy) continue;
    const message = `${name} is unhealthy${error === undefined ? '' : `: ${error}`}`;
    tell({ ...about, level: 'failure', message, advice: 'ask whoever runs Harbor to look at it' });
  }
  const healthy = components.filter((one) => one.healthy).map(({ name }) => name);
  if (healthy.length > 0) tell({ ...about, level: 'ok', message: `healthy: ${healthy.join(', ')}` });
}

async function checkCredential(harbor: Harbor, host: string, credential: Credential, tell: Tell, signal: AbortSignal) {
  const about = { check: 'credential', subject: `${credential.username} at ${host}` } as const;
  if (await harbor.acceptsCredential(host, credential, signal)) {
    tell({ ...about, level: 'ok', message: 'is accepted' });
    return;
  }
  tell({
    ...about,
    level: 'failure',
    message: 'is refused: wrong, expired and disabled look the same to Harbor',
    advice: `look at the robot in Harbor, or give it a new secret; ${toMangled(credential)}`,
  });
}

/** `$` and `+` in the names of robots are what shells and templates eat. */
function toMangled({ username }: Credential): string {
  return /^robot[^$]*$/.test(username)
    ? `its name has no $ as Harbor's robots have by default: a shell or a template may have taken it`
    : 'quote $ and + where a shell or a template writes the file; the prefix of all robots may have changed';
}

async function checkExpiry({ harbor, login, now }: HarborCheckParts, tell: Tell, signal: AbortSignal): Promise<void> {
  const untold = (): void => {
    const message = 'when robots expire is told only to an account with robot:list, which none of these has';
    tell({ check: 'robot', level: 'not_checked', subject: login.host, message });
  };
  try {
    const robots = await harbor.listRobots(login, signal);
    // One that counts for several projects may come once for each.
    const unlike = new Map(robots.map((robot) => [robot.name, robot]));
    const own = login.credentials.flatMap(({ username }) => unlike.get(username) ?? []);
    for (const { name, disabled, expiresAt } of own) {
      if (disabled) {
        const advice = 'enable it in Harbor';
        tell({ check: 'robot', level: 'failure', subject: name, message: 'is disabled', advice });
      } else tellExpiry(name, expiresAt === undefined ? undefined : expiresAt - now(), tell);
    }
    if (own.length === 0) untold();
  } catch (error) {
    signal.throwIfAborted();
    if (Failure.from(error).code !== 'auth') throw error;
    untold();
  }
}

function tellExpiry(subject: string, leftMs: number | undefined, tell: Tell): void {
  const about = { check: 'robot', subject } as const;
  const advice = 'give it a later date in Harbor, or use a new one';
  if (leftMs === undefined) tell({ ...about, level: 'ok', message: 'never expires' });
  else if (leftMs <= 0) tell({ ...about, level: 'failure', message: 'has expired', advice });
  else {
    const days = Math.floor(leftMs / dayMs);
    const message = `expires in ${days} ${days === 1 ? 'day' : 'days'}`;
    if (leftMs > expiresSoonMs) tell({ ...about, level: 'ok', message });
    else tell({ ...about, level: 'warning', message, advice });
  }
}

function toAdvice({ code }: Failure): string {
  switch (code) {
    case 'tls':
      return 'name its authority as caFile of the registry';
    case 'network':
    case 'timeout':
      return 'check the name, the network and the proxies (HTTPS_PROXY, NO_PROXY) of this node';
    default:
      return 'check that this host is a Harbor, and that what stands before it passes /api/v2.0 on';
  }
}
