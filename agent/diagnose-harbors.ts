/** The doctor's checks of Harbors and of their projects: part of the composition root. */

import type { Configuration } from './core/configuration.ts';
import type { Credential } from './core/credentials.ts';
import { Failure } from './core/failure.ts';
import { parseReference, storedName } from './core/image-reference.ts';
import { noResolutions, type Resolutions } from './core/resolution.ts';
import type { CredentialsFor, Diagnosis } from './diagnose.ts';
import { checkHarbor } from './doctor/harbor-check.ts';
import { type ProjectNeeds, toProjectNeeds } from './doctor/harbor-needs.ts';
import { checkProjects } from './doctor/project-check.ts';
import { checkRetention } from './doctor/retention-check.ts';
import type { Harbor, HarborLogin, HarborProject } from './registry/harbor.ts';
import { createResolutionsReader } from './work/resolutions-store.ts';

export interface SeenProject extends HarborProject {
  readonly host: string;
}

export interface SeenProjects {
  /** Of those that the configuration names. */
  readonly projects: SeenProject[];
  /** `host/project` of those that are not there, or not for this account. */
  readonly closed: Set<string>;
}

export async function diagnoseHarbors(
  diagnosis: Diagnosis,
  configuration: Configuration,
  harbor: Harbor,
  credentialsFor: CredentialsFor,
): Promise<SeenProjects> {
  const all = toProjectNeeds(configuration);
  const hosts = configuration.registries.filter((registry) => registry.harbor).map(({ host }) => host);
  if (hosts.length === 0) diagnosis.skip(['harbor'], 'no registry of the configuration has harbor: true');
  const seen: SeenProjects = { projects: [], closed: new Set() };
  for (const host of hosts) {
    const own: (readonly [ProjectNeeds, HarborLogin])[] = [];
    for (const needs of all.filter((one) => one.host === host)) {
      const repository = `${needs.project}/${needs.repository ?? 'any'}`;
      const credentials = await credentialsFor({ registry: host, repository }, needs.credentials);
      own.push([needs, { host, credentials }]);
    }
    const general = own.length === 0 ? await credentialsFor({ registry: host, repository: 'any' }, []) : [];
    const credentials = withoutDoubles([...own.flatMap(([, login]) => login.credentials), ...general]);
    let answers = false;
    await diagnosis.run({
      check: 'harbor',
      subject: host,
      run: async (tell, signal) => {
        answers = await checkHarbor({ harbor, login: { host, credentials }, now: Date.now }, tell, signal);
      },
    });
    if (answers) await diagnoseProjects(diagnosis, configuration, harbor, own, seen);
    else if (own.length > 0) diagnosis.skip(['project', 'permissions'], `${host} does not answer`);
  }
  return seen;
}

async function diagnoseProjects(
  diagnosis: Diagnosis,
  configuration: Configuration,
  harbor: Harbor,
  all: readonly (readonly [ProjectNeeds, HarborLogin])[],
  seen: SeenProjects,
): Promise<void> {
  const { desired, resolutions } = await readDesired(diagnosis, configuration);
  const { keepAlive: keepsAlive } = configuration.coordinator;
  const lists = new Map<string, readonly HarborProject[] | Failure>();
  for (const [needs, login] of all) {
    const name = `${needs.host}/${needs.project}`;
    const key = JSON.stringify(login.credentials.map(({ username }) => username));
    await diagnosis.run({
      check: 'project',
      subject: name,
      run: async (tell, signal) => {
        const listed = lists.get(key) ?? (await listProjects(harbor, login, signal));
        lists.set(key, listed);
        if (listed instanceof Failure) {
          tell({ check: 'project', level: 'not_checked', subject: name, message: listed.message });
          return;
        }
        const found = await checkProjects({ harbor, login, listed }, needs, tell, signal);
        seen.projects.push(...found.map((project) => ({ ...project, host: needs.host })));
        if (found.length === 0) seen.closed.add(name);
        const parts = { harbor, login, desired, resolutions, keepsAlive, now: Date.now };
        for (const project of found) await checkRetention(parts, project, tell, signal);
      },
    });
  }
}

/** A login that Harbor does not take is told as such, once. @throws any other Failure */
async function listProjects(
  harbor: Harbor,
  login: HarborLogin,
  signal: AbortSignal,
): Promise<readonly HarborProject[] | Failure> {
  try {
    return await harbor.listProjects(login, signal);
  } catch (error) {
    if (error instanceof Failure && error.code === 'auth') return error;
    throw error;
  }
}

/** What the image sets name, and what their patterns were last resolved to by an agent on this node. */
async function readDesired(
  { settings, log }: Diagnosis,
  { imageSets }: Configuration,
): Promise<{ readonly desired: ReadonlySet<string>; readonly resolutions: Resolutions }> {
  const kept = await createResolutionsReader(settings.stateDir, log).load();
  const resolutions = kept?.resolutions ?? noResolutions;
  const members = [...resolutions.patterns.values()].flatMap((pattern) => pattern.members);
  const images = imageSets.flatMap((set) => set.images.map((image) => storedName(parseReference(image))));
  return { desired: new Set([...images, ...members]), resolutions };
}

function withoutDoubles(credentials: readonly Credential[]): readonly Credential[] {
  const unlike = new Map(credentials.map((one) => [JSON.stringify([one.username, one.reveal()]), one]));
  return [...unlike.values()];
}
