import { isPlainName, matchesProject, matchesRepository, type RepositoryContent } from '../core/artifact-selection.ts';
import type { WantedPattern } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import type { RepositoryPattern } from '../core/repository-pattern.ts';
import type { ArtifactQuery, Harbor, HarborArtifact, HarborLogin, HarborProject } from '../registry/harbor.ts';
import { apiLane, callWithinMs } from './breaker.ts';
import type { ProjectBook } from './project-book.ts';
import type { Round } from './round.ts';
import { within } from './time-limit.ts';

/** A list of many pages, each of which has the usual limit; ms. */
const listWithinMs = 600_000;
/** Of one pattern: they are in memory at once, some 2 KiB each. */
const mostArtifacts = 50_000;

export interface ContentParts {
  readonly harbor: Pick<Harbor, 'hasProject' | 'listRepositories' | 'listArtifacts'>;
  readonly projects: ProjectBook;
}

export interface PatternContent {
  readonly contents: readonly RepositoryContent<HarborArtifact>[];
  /** The projects that the pattern names and the login sees, with what opens them. */
  readonly projects: ReadonlyMap<string, { readonly project: HarborProject; readonly login: HarborLogin }>;
  /** Projects, and repositories with their project, that could not be listed. */
  readonly silent: ReadonlySet<string>;
  /** The first thing that went wrong. */
  readonly failure: Failure | undefined;
}

/** What the repositories that a pattern names hold, as Harbor lists it. Rejects only with an abort. */
export async function readContent(
  { pattern, credentials }: WantedPattern,
  { harbor, projects }: ContentParts,
  { breaker }: Pick<Round, 'breaker'>,
  signal: AbortSignal,
): Promise<PatternContent> {
  const contents: RepositoryContent<HarborArtifact>[] = [];
  const found = new Map<string, { readonly project: HarborProject; readonly login: HarborLogin }>();
  const silent = new Set<string>();
  let failure: Failure | undefined;
  const attempt = async <Result>(name: string, work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      silent.add(name);
      failure ??= Failure.from(error);
      return undefined;
    }
  };
  const { registry } = pattern;
  const asking = <Result>(work: (limited: AbortSignal) => Promise<Result>) =>
    breaker.ask(apiLane(registry), signal, work);
  let count = 0;
  const inPages = (
    list: (limited: AbortSignal, onPage: (soFar: number) => void) => Promise<readonly HarborArtifact[]>,
  ) =>
    breaker.ask(
      apiLane(registry),
      signal,
      (whole) =>
        within(callWithinMs, whole, (limited, goesOn) =>
          list(limited, (soFar) => {
            if (count + soFar > mostArtifacts)
              throw new Failure('other', `the pattern's repositories hold more than ${mostArtifacts} artifacts`);
            goesOn();
          }),
        ),
      { withinMs: listWithinMs },
    );
  const loginFor = (project: string) => projects.loginFor({ registry, repository: `${project}/x` }, credentials);
  const isPlainProject = isPlainName(pattern.project);
  const matching = await attempt(pattern.project, async () => {
    const login = isPlainProject
      ? await loginFor(pattern.project)
      : await projects.loginFor({ registry, repository: '' }, credentials);
    const seen = await projects.list(login, signal);
    if (!seen.ok) throw seen.failure;
    const named = [...seen.byName.values()].filter(({ name }) => matchesProject(pattern, name));
    if (named.length === 0) {
      throw await unseen(pattern, isPlainProject, (project) =>
        asking((limited) => harbor.hasProject(login, project, limited)),
      );
    }
    return named;
  });
  for (const project of matching ?? []) {
    const login = await loginFor(project.name);
    found.set(project.name, { project, login });
    const repositories = isPlainName(pattern.repository)
      ? [pattern.repository]
      : await attempt(project.name, () => asking((limited) => harbor.listRepositories(login, project.name, limited)));
    for (const repository of repositories ?? []) {
      if (!matchesRepository(pattern, project.name, repository)) continue;
      const artifacts = await attempt(`${project.name}/${repository}`, () =>
        inPages((limited, onPage) =>
          harbor.listArtifacts(login, project.name, repository, { ...toQuery(pattern), onPage }, limited),
        ),
      );
      if (artifacts === undefined) continue;
      contents.push({ project: project.name, repository, artifacts });
      count += artifacts.length;
    }
  }
  return { contents, projects: found, silent, failure };
}

function toQuery({ labels, maxSeverity, signed, signedBy }: RepositoryPattern): ArtifactQuery {
  // Labels are compared here, not by Harbor: what lacks one is told as such.
  return {
    ...(labels.length > 0 ? { withLabels: true } : {}),
    ...(maxSeverity === undefined ? {} : { withScan: true }),
    ...(signed === undefined && signedBy.length === 0 ? {} : { withAccessories: true }),
  };
}

/** Why no project is seen: a wrong name and a missing right look the same in Harbor's list. */
async function unseen(
  { registry, project }: RepositoryPattern,
  isPlainProject: boolean,
  hasProject: (project: string) => Promise<boolean>,
): Promise<Failure> {
  if (!isPlainProject) {
    return new Failure('not_found', `no project of ${registry} that the login sees matches ${project}`);
  }
  return (await hasProject(project))
    ? new Failure('auth', `the login has no right on project ${project} of ${registry}`, { detail: 'forbidden' })
    : new Failure('not_found', `${registry} has no project ${project}`, { detail: 'project_missing' });
}
