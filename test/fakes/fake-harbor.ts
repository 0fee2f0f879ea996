/**
 * An in-memory `Harbor` that keeps the port's contract (test/contract/harbor-api-contract.ts runs on it and on the real client). Tests steer it:
 * projects with `addProject`, accounts with `addRobot`, artifacts with `put`, faults with `fail`. What it holds may be changed at any time.
 */

import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import type {
  ArtifactQuery,
  Harbor,
  HarborArtifact,
  HarborComponent,
  HarborLogin,
  HarborPermission,
  HarborProject,
  HarborQuota,
  HarborRetention,
  HarborRobot,
  HarborSystem,
} from '../../agent/registry/harbor.ts';
import { notTaken, withLogin } from '../../agent/registry/harbor-accounts.ts';
import type { HarborAccount } from '../../agent/registry/harbor-client.ts';
import { forbidden, missingProject } from '../../agent/registry/harbor-refusal.ts';
import { FakeHarborContent } from './fake-harbor-content.ts';

export interface FakeHarborCall {
  readonly method: string;
  /** `ml/llm`, `ml`, …; empty: none. */
  readonly subject: string;
  readonly username: string | undefined;
}

type Method = Exclude<keyof Harbor, 'close'>;

export class FakeHarbor extends FakeHarborContent implements Harbor {
  readonly calls: FakeHarborCall[] = [];
  readonly retentions = new Map<number, HarborRetention>();
  readonly upstreams = new Map<number, { name: string; url: string; status: string }>();
  robotRecords: HarborRobot[] = [];
  components: HarborComponent[] = [{ name: 'core', healthy: true, error: undefined }];
  version = 'v2.15.2-fake';
  /** Harbor's clock before ours, ms. */
  aheadMs = 0;
  closed = false;
  readonly #faults = new Map<Method, { readonly error: unknown; remaining: number }>();

  /** The next calls of a method throw. */
  fail(method: Method, error: unknown, times = Infinity): void {
    this.#faults.set(method, { error, remaining: times });
  }

  async ping(login: HarborLogin, signal: AbortSignal): Promise<void> {
    await this.#run('ping', '', { ...login, credentials: [] }, signal, () => undefined);
  }

  async health(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborComponent[]> {
    return this.#run('health', '', { ...login, credentials: [] }, signal, () => this.components);
  }

  async system(login: HarborLogin, signal: AbortSignal): Promise<HarborSystem> {
    const known = login.credentials.find((one) => one.host === this.host && this.isKnown(one));
    const credentials = known === undefined ? [] : [known];
    return this.#run('system', '', { ...login, credentials }, signal, ({ credential }) => {
      const now = Date.now();
      if (credential === undefined) {
        return { version: undefined, externalUrl: undefined, readOnly: undefined, clock: undefined };
      }
      const clock = { harborAt: now + this.aheadMs, ownAt: now };
      return { version: this.version, externalUrl: `https://${this.host}`, readOnly: false, clock };
    });
  }

  async acceptsCredential(host: string, credential: Credential, signal: AbortSignal): Promise<boolean> {
    return this.#run('acceptsCredential', '', { host, credentials: [] }, signal, () => this.isKnown(credential));
  }

  async listProjects(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborProject[]> {
    const known = login.credentials.filter((one) => this.isKnown(one));
    const asked = known.length === 0 ? login : { ...login, credentials: known };
    return this.#run('listProjects', '', asked, signal, (account) => {
      if (account.credential !== undefined && !this.isKnown(account.credential)) throw notTaken(account);
      const accounts = known.length === 0 ? [account] : known.map((credential) => ({ host: this.host, credential }));
      return [...this.projects.values()]
        .filter(({ name, isPublic }) => isPublic || accounts.some((one) => this.rightsIn(one, name).length > 0))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  async readProject(login: HarborLogin, project: string, signal: AbortSignal): Promise<HarborProject> {
    return this.#run('readProject', project, login, signal, (account) => this.open(account, project, 'project:read'));
  }

  async hasProject(login: HarborLogin, project: string, signal: AbortSignal): Promise<boolean> {
    return this.#run('hasProject', project, login, signal, (account) => {
      if (account.credential === undefined || !this.isKnown(account.credential)) throw notTaken(account);
      return this.projects.has(project);
    });
  }

  async readPermissions(login: HarborLogin, id: number, signal: AbortSignal): Promise<readonly HarborPermission[]> {
    return this.#run('readPermissions', String(id), login, signal, (account) => {
      if (account.credential === undefined || !this.isKnown(account.credential)) throw notTaken(account);
      const project = [...this.projects.values()].find((one) => one.id === id);
      const rights = project === undefined ? [] : this.rightsIn(account, project.name);
      return rights.map((right) => ({ resource: right.split(':')[0] ?? '', action: right.split(':')[1] ?? '' }));
    });
  }

  async listRepositories(login: HarborLogin, project: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#run('listRepositories', project, login, signal, (account) =>
      [...this.open(account, project, 'repository:list').repositories.keys()].toSorted(),
    );
  }

  async listArtifacts(
    login: HarborLogin,
    project: string,
    repository: string,
    { labels = [], ...flags }: ArtifactQuery,
    signal: AbortSignal,
  ): Promise<readonly HarborArtifact[]> {
    return this.#run('listArtifacts', `${project}/${repository}`, login, signal, (account) =>
      (this.open(account, project, 'artifact:list').repositories.get(repository) ?? [])
        .filter((one) => one.tags.length > 0 && labels.every((label) => one.labels.includes(label)))
        .map((one) => ({
          ...one,
          labels: flags.withLabels === true || labels.length > 0 ? one.labels : [],
          scan: flags.withScan === true ? one.scan : undefined,
          accessories: flags.withAccessories === true ? one.accessories : [],
        })),
    );
  }

  async readArtifact(
    login: HarborLogin,
    project: string,
    repository: string,
    tagOrDigest: string,
    signal: AbortSignal,
  ): Promise<HarborArtifact> {
    const subject = `${project}/${repository}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
    return this.#run('readArtifact', subject, login, signal, (account) => {
      const all = this.open(account, project, 'artifact:read').repositories.get(repository) ?? [];
      const found = all.find(
        ({ digest, tags }) => digest === tagOrDigest || tags.some(({ name }) => name === tagOrDigest),
      );
      if (found === undefined) throw new Failure('not_found', `${this.host} does not have ${subject}`);
      return found;
    });
  }

  async readRetention(login: HarborLogin, id: number, signal: AbortSignal): Promise<HarborRetention> {
    return this.#run('readRetention', String(id), login, signal, (account) => {
      const owner = [...this.projects.values()].find(({ metadata }) => metadata['retention_id'] === String(id));
      const [needs, rights] = [
        { resource: 'tag-retention', action: 'read', isOfSomeProject: true },
        this.rightsIn(account, owner?.name ?? '/'),
      ];
      if (!rights.includes('tag-retention:read')) throw forbidden(this.host, account.credential?.username, needs);
      const found = this.retentions.get(id);
      if (found === undefined) throw new Failure('not_found', `${this.host} does not have retention policy ${id}`);
      return found;
    });
  }

  async readQuota(login: HarborLogin, project: string, signal: AbortSignal): Promise<HarborQuota | undefined> {
    return this.#run('readQuota', project, login, signal, (account) => {
      if (!this.projects.has(project)) throw missingProject(this.host, project);
      const rights = this.rightsIn(account, project);
      const may = rights.includes('project:read') && rights.includes('quota:read');
      return may ? this.projects.get(project)?.quota : undefined;
    });
  }

  async readUpstream(login: HarborLogin, id: number, signal: AbortSignal) {
    return this.#run('readUpstream', String(id), login, signal, (account) => {
      this.needSystem(account, 'registry', 'read');
      const found = this.upstreams.get(id);
      if (found === undefined) throw new Failure('not_found', `${this.host} does not have registry endpoint ${id}`);
      return found;
    });
  }

  async listRobots(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborRobot[]> {
    return this.#run('listRobots', '', login, signal, (account) => {
      this.needSystem(account, 'robot', 'list');
      return this.robotRecords;
    });
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async #run<Result>(
    method: Method,
    subject: string,
    login: HarborLogin,
    signal: AbortSignal,
    work: (account: HarborAccount) => Result,
  ): Promise<Result> {
    signal.throwIfAborted();
    await Promise.resolve();
    if (login.host !== this.host) throw new Failure('network', `no connection to ${login.host}`);
    return withLogin(login, signal, undefined, async (account) => {
      this.calls.push({ method, subject, username: account.credential?.username });
      const fault = this.#faults.get(method);
      if (fault !== undefined && fault.remaining > 0) {
        fault.remaining -= 1;
        throw fault.error;
      }
      return work(account);
    });
  }
}
