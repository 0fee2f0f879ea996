/** The REST API's artifacts: of a repository, of a whole project, one of them and what hangs on it. */

import { type Answer, notFound, toError, toJson } from './answers.ts';
import { parseShown, toAccessoryBody, toArtifactBody, toTagBody, toVulnerabilities } from './artifact-body.ts';
import type { Call } from './call.ts';
import type { Artifact, Project } from './model.ts';
import { scanOf } from './policy.ts';
import { BadQuery, type Conditions, matches, parseQuery, sortBy, toPage } from './query.ts';
import type { HarborSystem } from './system.ts';

/** @throws BadQuery */
export function listArtifacts(system: HarborSystem, call: Call, repository: string): Answer {
  const artifacts = [...(system.catalogue.repositories.get(repository)?.artifacts.values() ?? [])];
  return toList(system, call, artifacts);
}

/** @throws BadQuery */
export function listProjectArtifacts(system: HarborSystem, call: Call, { id }: Project): Answer {
  const repositories = [...system.catalogue.repositories.values()].filter(({ projectId }) => projectId === id);
  const all = repositories.flatMap(({ artifacts }) => [...artifacts.values()]);
  if (call.query.get('latest_in_repository') !== 'true') return toList(system, call, all);
  const conditions = parseQuery(call.query.get('q'));
  if (conditions.has('media_type') === conditions.has('artifact_type')) {
    const message = `either 'media_type' or 'artifact_type' must be specified, but not both, when querying with latest_in_repository`;
    return toError(400, 'BAD_REQUEST', `bad request: ${message}`);
  }
  // Children of indexes are in this list, unlike in the others.
  const latest = new Map<string, Artifact>();
  for (const artifact of all.filter((one) => matchesFields(one, conditions))) {
    const known = latest.get(artifact.repository);
    if (known === undefined || known.pushedAt <= artifact.pushedAt) latest.set(artifact.repository, artifact);
  }
  return toSorted(system, call, [...latest.values()]);
}

function toList(system: HarborSystem, call: Call, artifacts: readonly Artifact[]): Answer {
  const conditions = parseQuery(call.query.get('q'));
  const { catalogue } = system;
  const base = conditions.get('base');
  if (base !== undefined && (base.kind !== 'exact' || base.value !== '*')) {
    throw new BadQuery('the value of "base" query can only be exact match value with "*"');
  }
  const shown = artifacts.filter((artifact) => {
    if (artifact.subject !== undefined) return false;
    const isBase = catalogue.tagsOf(artifact).length > 0 || catalogue.parentsOf(artifact).length === 0;
    return (
      (base !== undefined || isBase) && matchesFields(artifact, conditions) && matchesTags(system, artifact, conditions)
    );
  });
  return toSorted(
    system,
    call,
    shown.filter((artifact) => hasLabels(artifact, conditions)),
  );
}

function toSorted({ catalogue, installation }: HarborSystem, call: Call, artifacts: readonly Artifact[]): Answer {
  const { query } = call;
  const sorted = sortBy<Artifact>(artifacts, query.get('sort'), '-push_time,-id', {
    push_time: ({ pushedAt }) => pushedAt.getTime(),
    pull_time: ({ pulledAt }) => pulledAt?.getTime() ?? 0,
    id: ({ id }) => id,
    size: (artifact) => catalogue.sizeOf(artifact),
  });
  const flags = parseShown(query, installation.hasScanner);
  return toPage(call, sorted, (artifact) => toArtifactBody(catalogue, artifact, flags));
}

/** Keys that nobody knows are ignored. */
function matchesFields(artifact: Artifact, conditions: Conditions): boolean {
  const isIndex = artifact.children.length > 0;
  return (
    matches(conditions.get('type'), 'IMAGE') &&
    matches(conditions.get('digest'), artifact.digest) &&
    matches(conditions.get('id'), artifact.id) &&
    matches(conditions.get('repository_name'), artifact.repository) &&
    matches(conditions.get('media_type'), isIndex ? artifact.mediaType : artifact.configMediaType) &&
    matches(conditions.get('artifact_type'), artifact.artifactType) &&
    matches(conditions.get('push_time'), artifact.pushedAt) &&
    matches(conditions.get('pull_time'), artifact.pulledAt ?? new Date(0))
  );
}

function matchesTags({ catalogue }: HarborSystem, artifact: Artifact, conditions: Conditions): boolean {
  const wanted = conditions.get('tags');
  if (wanted === undefined) return true;
  const names = catalogue.tagsOf(artifact).map(({ name }) => name);
  if (wanted.kind === 'exact') {
    if (wanted.value === '*') return names.length > 0;
    return wanted.value === 'nil' ? names.length === 0 : names.includes(wanted.value);
  }
  if (wanted.kind === 'fuzzy') return names.some((name) => name.includes(wanted.value));
  throw new BadQuery('the value of "tags" query can only be fuzzy match value or exact match value');
}

/** All of them; parentheses are needed even for one. */
function hasLabels(artifact: Artifact, conditions: Conditions): boolean {
  const wanted = conditions.get('labels');
  if (wanted === undefined) return true;
  if (wanted.kind !== 'and')
    throw new BadQuery('the value of "labels" query can only be integer list with intersetion relationship');
  return wanted.values.every((value) => {
    if (!/^\d+$/.test(value)) {
      throw new BadQuery('the value of "labels" query can only be integer list with intersetion relationship');
    }
    return artifact.labels.some(({ id }) => id === Number(value));
  });
}

/** @param rest what follows the reference in the path */
export function answerArtifact(
  { catalogue, installation }: HarborSystem,
  call: Call,
  project: Project,
  repository: string,
  reference: string,
  rest: string,
): Answer | undefined {
  const artifact = catalogue.find(repository, reference);
  if (artifact === undefined) return notFound(catalogue.absence(repository, reference));
  const { hasScanner } = installation;
  if (rest === '') return toJson(toArtifactBody(catalogue, artifact, parseShown(call.query, hasScanner)));
  if (rest === 'accessories') {
    return toPage(call, catalogue.accessoriesOf(artifact), (accessory) => toAccessoryBody(catalogue, accessory));
  }
  if (rest === 'tags') {
    const held = catalogue.repositories.get(repository);
    return toPage(call, catalogue.tagsOf(artifact), (tag) => toTagBody(tag, artifact, held));
  }
  if (rest !== 'additions/vulnerabilities') return undefined;
  if (!hasScanner) return notFound(`no scanner registration configured for project: ${project.id}`);
  const scan = scanOf(catalogue, artifact);
  return toJson(scan?.status === 'Success' ? toVulnerabilities(artifact, scan) : {});
}
