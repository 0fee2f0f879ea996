/** `/v2/`: who may, and where an answer comes from. */

import { isAllowed } from './accounts.ts';
import { type Answer, toError } from './answers.ts';
import type { Call } from './call.ts';
import { answerLocalBlob, answerLocalManifest, answerLocalTags, answerReferrers } from './local-content.ts';
import { type Project, projectOf } from './model.ts';
import { ProxyProjects } from './proxy-project.ts';
import { answerPush } from './pushes.ts';
import type { HarborSystem } from './system.ts';

const apiVersion = { 'Docker-Distribution-Api-Version': 'registry/2.0' };
const resource = /^\/v2\/(.+)\/(manifests|blobs(?=\/(?:sha256:|uploads\/))|tags(?=\/list$)|referrers)\/(.*)$/;

export class RegistryApi {
  readonly proxies: ProxyProjects;
  readonly #system: HarborSystem;

  constructor(system: HarborSystem) {
    this.#system = system;
    this.proxies = new ProxyProjects(system);
  }

  /** @param realm where the token service is, as the client reached Harbor */
  async answer(call: Call, realm: string): Promise<Answer> {
    const { path } = call;
    if (path === '/v2/') {
      if (call.account.kind === 'anonymous') return challenge(call, realm, '', 'unauthorized');
      return { status: 200, headers: { 'Content-Type': 'application/json; charset=utf-8', ...apiVersion }, body: '{}' };
    }
    if (path === '/v2/_catalog') return this.#catalogue(call);
    const [, repository = '', kind = '', rest = ''] = resource.exec(decodeURIComponent(path)) ?? [];
    if (repository === '' || !repository.includes('/')) {
      return unauthorized('', `un-recognized request: ${call.method} ${path}`);
    }
    const refusal = this.#authorize(call, realm, repository);
    if (refusal !== undefined) return refusal;
    const project = this.#system.project(projectOf(repository));
    if (project === undefined) throw new Error(`no project for ${repository}`);
    if (call.method !== 'GET' && call.method !== 'HEAD') {
      return answerPush(this.#system, call, project, repository, kind, rest);
    }
    return this.#read(call, project, repository, kind, rest);
  }

  async #read(call: Call, project: Project, repository: string, kind: string, rest: string): Promise<Answer> {
    const upstream = this.#system.upstreamOf(project);
    if (kind === 'referrers') return answerReferrers(this.#system, call, repository, rest);
    if (kind === 'tags') {
      return upstream === undefined
        ? answerLocalTags(this.#system, call, repository)
        : this.proxies.tags(call, upstream, project, repository);
    }
    if (kind === 'blobs') {
      return upstream === undefined || rest.startsWith('uploads/')
        ? answerLocalBlob(this.#system, call, repository, rest)
        : this.proxies.blob(call, project, upstream, repository, rest);
    }
    return upstream === undefined
      ? answerLocalManifest(this.#system, call, project, repository, rest)
      : this.proxies.manifest(call, project, upstream, repository, rest);
  }

  /** @returns what Harbor's authorisation says instead of an answer */
  #authorize(call: Call, realm: string, repository: string): Answer | undefined {
    const { method, headers } = call;
    const reads = method === 'GET' || method === 'HEAD';
    const action = reads ? 'pull' : method === 'DELETE' ? 'delete' : 'push';
    const scope = `repository:${repository}:${action === 'push' ? 'pull,push' : action}`;
    if (headers.authorization === undefined && reads) {
      return challenge(call, realm, scope, 'authorize header needed to send HEAD to repository');
    }
    if (!this.#may(call, repository, action)) {
      const name = projectOf(repository);
      if (this.#system.project(name) === undefined) return absentProject(name);
      return challenge(call, realm, scope, `unauthorized to access repository: ${repository}, action: ${action}`);
    }
    const source = call.query.has('mount') ? call.query.get('from') : null;
    if (source === null || this.#may(call, source, 'pull')) return undefined;
    return challenge(call, realm, scope, `unauthorized to access repository: ${source}, action: pull`);
  }

  /** By the project, never by the repository. */
  #may({ account, tokenProjects }: Call, repository: string, action: string): boolean {
    const project = this.#system.project(projectOf(repository));
    if (project === undefined) return false;
    if (tokenProjects !== undefined && !tokenProjects.has(project.name)) return false;
    return isAllowed(account, project, 'repository', action);
  }

  #catalogue({ account, query }: Call): Answer {
    if (!isAllowed(account, undefined, 'catalog', 'read')) {
      return unauthorized('Basic realm="harbor"', 'unauthorized to list catalog');
    }
    const names = [...this.#system.catalogue.repositories.keys()].sort();
    const last = query.get('last') ?? '';
    const rest = names.filter((name) => name > last);
    const page = rest.slice(0, Number(query.get('n') ?? rest.length));
    const hasMore = page.length < rest.length;
    const link = `</v2/_catalog?last=${encodeURIComponent(page.at(-1) ?? '')}&n=${query.get('n')}>; rel="next"`;
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json; charset=utf-8', ...(hasMore ? { Link: link } : {}) },
      body: `${JSON.stringify({ repositories: page })}\n`,
    };
  }
}

/** Bearer only for who sent no credentials; after that never again. */
function challenge({ headers }: Call, realm: string, scope: string, message: string): Answer {
  if (headers.authorization !== undefined) return unauthorized('Basic realm="harbor"', message);
  const asked = scope === '' ? '' : `,scope="${scope}"`;
  return unauthorized(`Bearer realm="${realm}",service="harbor-registry"${asked}`, message);
}

function absentProject(name: string): Answer {
  return unauthorized('', `project ${name} not found`);
}

function unauthorized(wwwAuthenticate: string, message: string): Answer {
  return toError(401, 'UNAUTHORIZED', `${message}: ${message}`, { ...apiVersion, 'Www-Authenticate': wwwAuthenticate });
}
