/** Pushing by `/v2/`, as far as tests prepare a Harbor by it: what Harbor refuses, and everything else for the registry to judge. */

import { type Answer, toError } from './answers.ts';
import type { Call } from './call.ts';
import { toPassedOn } from './local-content.ts';
import { isDigest, type Project } from './model.ts';
import { parseConfig } from './proxy-cache.ts';
import type { HarborSystem } from './system.ts';

export async function answerPush(
  system: HarborSystem,
  call: Call,
  project: Project,
  repository: string,
  kind: string,
  rest: string,
): Promise<Answer> {
  const { storage, installation } = system;
  const { method, path, query, headers, incoming, signal } = call;
  if (installation.readOnly) {
    return toError(403, 'DENIED', 'The system is in read only mode. Any modification is prohibited.');
  }
  if (project.registryId !== undefined) {
    return toError(403, 'DENIED', `denied: can not push artifact to a proxy project: ${project.name}`);
  }
  if (method === 'DELETE' && kind === 'manifests') return remove(system, repository, rest);
  const tag = system.catalogue.repositories.get(repository)?.tags.get(rest);
  if (kind === 'manifests' && tag?.immutable === true) {
    const name = `${repository.slice(project.name.length + 1)}:${rest}`;
    return toError(412, 'PRECONDITION', `Failed to process request due to '${name}' configured as immutable.`);
  }
  // Monolithic uploads in one request are not supported: they become the start of one.
  if (method === 'POST' && !query.has('mount')) query.delete('digest');
  const search = query.toString();
  const answer = await storage.open({
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: {
      'Content-Type': headers['content-type'],
      'Content-Range': headers['content-range'],
      'Content-Length': headers['content-length'],
    },
    body: incoming,
    signal,
  });
  if (kind === 'manifests' && answer.statusCode === 201) await record(system, project, repository, rest);
  const { headers: given, ...passed } = toPassedOn(answer);
  const { Location: location } = given;
  if (location === undefined) return { ...passed, headers: given };
  // Unlike the token's realm it follows the request.
  const scheme = headers['x-forwarded-proto'] ?? ('encrypted' in incoming.socket ? 'https' : 'http');
  const { pathname, search: state } = new URL(location, 'http://registry');
  return { ...passed, headers: { ...given, Location: `${String(scheme)}://${headers.host}${pathname}${state}` } };
}

async function record(system: HarborSystem, project: Project, repository: string, reference: string): Promise<void> {
  const { storage, catalogue } = system;
  const pushed = await storage.getManifest(repository, reference);
  if (pushed === undefined) return;
  const { config } = JSON.parse(pushed.content.toString()) as { config?: { digest: string } };
  const blob = config === undefined ? undefined : await storage.getBlob(repository, config.digest);
  const { digest } = catalogue.add(repository, project.id, { ...pushed, config: parseConfig(blob) });
  if (!isDigest(reference)) catalogue.tag(repository, reference, digest);
}

async function remove(system: HarborSystem, repository: string, reference: string): Promise<Answer> {
  if (!isDigest(reference)) {
    return toError(400, 'UNSUPPORTED', `unsupported digest ${reference}: invalid checksum digest format`);
  }
  const { catalogue, storage } = system;
  if (catalogue.find(repository, reference) === undefined) {
    return toError(404, 'NOT_FOUND', catalogue.absence(repository, reference));
  }
  catalogue.remove(repository, reference);
  await storage.delete(repository, 'manifests', reference);
  return { status: 202, headers: {}, body: '' };
}
