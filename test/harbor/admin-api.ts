/** Harbor's REST API as its administrator, for what tests prepare and clean up. */

import { ask, type Reply } from '../contract/harbor/client.ts';
import { basic } from '../contract/harbor/subject.ts';
import type { Login } from './subject.ts';
import { until } from './waiting.ts';

interface Named {
  readonly id?: number;
  readonly uuid?: string;
  readonly name: string;
  readonly creation_time?: string;
  readonly create_time?: string;
}

/** Whatever a suite that was killed has left is gone after so long. */
const leftoverMs = 3 * 3_600_000;

export class AdminApi {
  readonly #url: string;
  readonly #login: Login;

  constructor(url: string, login: Login) {
    this.#url = url;
    this.#login = login;
  }

  /** @throws Error for what is no success */
  async call(method: string, path: string, body?: unknown): Promise<Reply> {
    const reply = await this.try(method, path, body);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${String(reply.body)}`);
    return reply;
  }

  try(method: string, path: string, body?: unknown): Promise<Reply> {
    return ask(this.#url, {
      method,
      path: `/api/v2.0${path}`,
      headers: { ...basic(this.#login), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** @returns the path of what was made, below the API */
  async create(path: string, body: unknown): Promise<string> {
    const { headers } = await this.call('POST', path, body);
    return (headers['location'] ?? '').replace(/^.*\/api\/v2\.0/, '');
  }

  async get<Body>(path: string): Promise<Body> {
    return JSON.parse((await this.call('GET', path)).body.toString()) as Body;
  }

  /** With all that it holds; the background of a proxy project may still be adding to that. What is not there is left alone. */
  async removeProject(name: string): Promise<void> {
    if ((await this.try('HEAD', `/projects?project_name=${name}`)).status === 404) return;
    await until(async () => {
      const repositories = await this.get<Named[]>(`/projects/${name}/repositories?page_size=100`);
      for (const repository of repositories) await this.remove(toRepositoryPath(repository.name));
      return (await this.try('DELETE', `/projects/${name}`)).status === 200;
    }, `project ${name} removed`);
  }

  async remove(path: string): Promise<void> {
    const reply = await this.try('DELETE', path);
    if (reply.status >= 300 && reply.status !== 404) {
      throw new Error(`DELETE ${path}: ${reply.status} ${String(reply.body)}`);
    }
  }

  /** What suites that were killed have left, by the beginning of its name. */
  async removeLeftovers(prefix: string): Promise<void> {
    const old = async (path: string): Promise<Named[]> => {
      const found = await this.get<Named[]>(`${path}?page_size=100&q=${encodeURIComponent(`name=~${prefix}`)}`);
      return found.filter(({ name, creation_time: one, create_time: other }) => {
        const age = Date.now() - Date.parse(one ?? other ?? new Date().toISOString());
        return name.replace(/^robot\$/, '').startsWith(prefix) && age > leftoverMs;
      });
    };
    for (const { name } of await old('/projects')) await this.removeProject(name);
    for (const path of ['/robots', '/registries', '/scanners']) {
      for (const { id, uuid } of await old(path)) await this.remove(`${path}/${uuid ?? id}`);
    }
  }
}

/** @param repository with its project */
export function toRepositoryPath(repository: string): string {
  const [project = '', ...rest] = repository.split('/');
  return `/projects/${project}/repositories/${encodeURIComponent(encodeURIComponent(rest.join('/')))}`;
}
