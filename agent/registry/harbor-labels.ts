/** Ids of Harbor's labels: its lists are filtered by id, and people know names. */

import { Failure } from '../core/failure.ts';
import type { HarborAccount, HarborClient } from './harbor-client.ts';
import { textOf } from './harbor-documents.ts';

/** One round asks for many repositories of the same projects. */
const keptMs = 60_000;
const maxKept = 500;

type Ids = ReadonlyMap<string, readonly number[]>;

export class HarborLabels {
  readonly #client: HarborClient;
  readonly #kept = new Map<string, { readonly until: number; readonly ids: Ids }>();

  constructor(client: HarborClient) {
    this.#client = client;
  }

  /**
   * The ids to filter by. A name without one, that both the project and all of Harbor have, or that the account may not look up, has none: then
   * Harbor gives more, and whoever asked for the list looks at the names all the same.
   */
  async find(
    account: HarborAccount,
    project: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    if (names.length === 0) return [];
    const [global, own] = [await this.#idsOf(account, '', signal), await this.#idsOf(account, project, signal)];
    return names.flatMap((name) => {
      const ids = [...(global.get(name) ?? []), ...(own.get(name) ?? [])];
      return ids.length === 1 ? ids : [];
    });
  }

  async #idsOf(account: HarborAccount, project: string, signal: AbortSignal): Promise<Ids> {
    const key = JSON.stringify([account.host, account.credential?.username, project]);
    const known = this.#kept.get(key);
    if (known !== undefined && known.until > Date.now()) return known.ids;
    const ids = await this.#read(account, project, signal);
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.set(key, { until: Date.now() + keptMs, ids });
    return ids;
  }

  async #read(account: HarborAccount, project: string, signal: AbortSignal): Promise<Ids> {
    const ids = new Map<string, number[]>();
    try {
      const query = project === '' ? { scope: 'g' } : await this.#scopeOf(account, project, signal);
      if (query === undefined) return ids;
      const subject = project === '' ? 'the global labels' : `the labels of project ${project}`;
      const needs = project === '' ? undefined : { resource: 'label', action: 'list', project };
      const question = { path: 'labels', query, subject, ...(needs === undefined ? {} : { needs }) };
      for (const label of await this.#client.readPages(account, question, signal)) {
        const name = textOf(label['name']);
        const id = label['id'];
        if (name !== undefined && typeof id === 'number') ids.set(name, [...(ids.get(name) ?? []), id]);
      }
      return ids;
    } catch (error) {
      if (error instanceof Failure && error.detail === 'forbidden') return new Map();
      throw error;
    }
  }

  /** The project's id by the list of projects, which needs no permission; `name` there is only a part of it. */
  async #scopeOf(
    account: HarborAccount,
    project: string,
    signal: AbortSignal,
  ): Promise<{ scope: 'p'; project_id: number } | undefined> {
    const question = { path: 'projects', query: { name: project }, subject: `project ${project}` };
    const found = (await this.#client.readPages(account, question, signal)).find(({ name }) => name === project);
    const id = found?.['project_id'];
    return typeof id === 'number' ? { scope: 'p', project_id: id } : undefined;
  }
}
