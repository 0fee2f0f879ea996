/** What a `FakeHarbor` holds, and who may see it. Tests change it at any time. */

import type { Credential } from '../../agent/core/credentials.ts';
import type { HarborArtifact, HarborProject, HarborQuota } from '../../agent/registry/harbor.ts';
import { notTaken } from '../../agent/registry/harbor-accounts.ts';
import type { HarborAccount } from '../../agent/registry/harbor-client.ts';
import { forbidden, missingProject } from '../../agent/registry/harbor-refusal.ts';

export interface FakeProject extends HarborProject {
  readonly repositories: Map<string, HarborArtifact[]>;
  quota: HarborQuota | undefined;
}

interface FakeRobot {
  readonly password: string;
  /** `artifact:list` by project; `/` is the system, `*` every project. */
  readonly rights: Readonly<Record<string, readonly string[]>>;
}

/** What the resolver's robot has in a project. */
export const resolverRights = ['project:read', 'repository:list', 'artifact:list', 'artifact:read', 'quota:read'];

export class FakeHarborContent {
  readonly host: string;
  readonly projects = new Map<string, FakeProject>();
  readonly robots = new Map<string, FakeRobot>();

  constructor(host: string) {
    this.host = host;
  }

  addProject(name: string, changes: Partial<Omit<FakeProject, 'name'>> = {}): FakeProject {
    const project: FakeProject = {
      id: this.projects.size + 1,
      name,
      upstreamId: undefined,
      isPublic: false,
      metadata: { public: String(changes.isPublic ?? false) },
      repositories: new Map(),
      quota: { usedBytes: 0, hardBytes: undefined },
      ...changes,
    };
    this.projects.set(name, project);
    return project;
  }

  addRobot(username: string, password: string, rights: FakeRobot['rights']): void {
    this.robots.set(username, { password, rights });
  }

  /** Puts an artifact there; its tags leave those that had them. @param repository with its project. */
  put(repository: string, artifact: Pick<HarborArtifact, 'digest'> & Partial<HarborArtifact>): HarborArtifact {
    const slash = repository.indexOf('/');
    const [project, name] = [repository.slice(0, slash), repository.slice(slash + 1)];
    const whole: HarborArtifact = {
      type: 'IMAGE',
      repository: name,
      pushedAt: 0,
      pulledAt: undefined,
      tags: [],
      labels: [],
      children: [],
      accessories: [],
      scan: undefined,
      ...artifact,
    };
    const { repositories } = this.projects.get(project) ?? this.addProject(project);
    const taken = new Set(whole.tags.map((tag) => tag.name));
    const others = (repositories.get(name) ?? []).filter(({ digest }) => digest !== whole.digest);
    const rest = others.map((one) => ({ ...one, tags: one.tags.filter((tag) => !taken.has(tag.name)) }));
    repositories.set(name, [...rest, whole]);
    return whole;
  }

  isKnown(credential: Credential): boolean {
    return this.robots.get(credential.username)?.password === credential.reveal();
  }

  rightsIn({ credential }: HarborAccount, project: string): readonly string[] {
    if (credential === undefined) return this.projects.get(project)?.isPublic === true ? resolverRights : [];
    const rights = this.isKnown(credential) ? this.robots.get(credential.username)?.rights : undefined;
    return [...(rights?.[project] ?? []), ...(project === '/' ? [] : (rights?.['*'] ?? []))];
  }

  open(account: HarborAccount, name: string, right: string): FakeProject {
    if (account.credential !== undefined && !this.isKnown(account.credential)) throw notTaken(account);
    const project = this.projects.get(name);
    if (account.credential === undefined && project?.isPublic !== true) throw notTaken(account);
    if (project === undefined) throw missingProject(this.host, name);
    const [resource = '', action = ''] = right.split(':');
    if (!this.rightsIn(account, name).includes(right)) {
      throw forbidden(this.host, account.credential?.username, { resource, action, project: name });
    }
    return project;
  }

  needSystem(account: HarborAccount, resource: string, action: string): void {
    if (account.credential === undefined || !this.isKnown(account.credential)) throw notTaken(account);
    if (!this.rightsIn(account, '/').includes(`${resource}:${action}`)) {
      throw forbidden(this.host, account.credential.username, { resource, action });
    }
  }
}
