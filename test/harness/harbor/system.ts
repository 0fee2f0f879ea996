/** The double's state, and what its parts share. */

import { Accounts } from './accounts.ts';
import type { Backend } from './backend.ts';
import { Catalogue } from './catalogue.ts';
import type { Label, Project, Retention, RetentionRule } from './model.ts';
import type { StorageHost } from './storage-host.ts';
import type { Upstream } from './upstream.ts';

export interface Timing {
  /** Before a wrong secret is answered; 1500 in reality. */
  badLoginDelayMs: number;
  /** Between two looks of the background at what is local yet; 20 000 in reality. */
  checkPeriodMs: number;
  /** Between two tries to give a proxied artifact its tag; 10 000 in reality. */
  tagPeriodMs: number;
  /** What tokens claim; 1 800 000 in reality. */
  tokenLifetimeMs: number;
}

export interface NewProject {
  readonly public?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Its upstream: this makes it a proxy-cache project. */
  readonly proxyOf?: Upstream;
  readonly quotaBytes?: number;
}

/** Of a Harbor installation, changeable at any time. */
export interface Installation {
  version: string;
  readOnly: boolean;
  /** Ahead of this machine's clock. */
  clockSkewMs: number;
  /** A vulnerability scanner is registered. */
  hasScanner: boolean;
  /** nginx in front, as the installer sets it up: it decodes paths once. */
  behindNginx: boolean;
  /** Blobs are 307 to a storage host. */
  redirectsBlobs: boolean;
  /** PEM that `systeminfo/getcert` gives. */
  rootCertificate: string | undefined;
  /** Of the realm in challenges; undefined: as the server's own. */
  externalScheme: 'http' | 'https' | undefined;
  /** Health by component, where it is not `healthy`. */
  readonly unhealthy: Map<string, string>;
}

export class HarborSystem {
  readonly accounts = new Accounts();
  readonly catalogue = new Catalogue();
  readonly projects: Project[] = [];
  readonly labels: Label[] = [];
  readonly retentions: Retention[] = [];
  readonly upstreams: Upstream[] = [];
  readonly installation: Installation = {
    version: 'v2.15.2-080b022057',
    readOnly: false,
    clockSkewMs: 0,
    hasScanner: true,
    behindNginx: true,
    redirectsBlobs: false,
    rootCertificate: undefined,
    externalScheme: undefined,
    unhealthy: new Map(),
  };
  readonly timing: Timing;
  /** Harbor's own registry. */
  readonly storage: Backend;
  readonly storageHost: StorageHost;
  /** Ends with the double. */
  readonly end: AbortSignal;

  constructor(storage: Backend, storageHost: StorageHost, timing: Timing, end: AbortSignal) {
    this.storage = storage;
    this.storageHost = storageHost;
    this.timing = timing;
    this.end = end;
  }

  project(name: string): Project | undefined {
    return this.projects.find((project) => project.name === name);
  }

  addProject(name: string, options: NewProject = {}): Project {
    const { metadata = {}, proxyOf, quotaBytes = -1 } = options;
    const project: Project = {
      id: this.projects.length + 1,
      name,
      createdAt: new Date(),
      metadata: { public: String(options.public ?? false), ...metadata },
      registryId: proxyOf?.id,
      quotaBytes,
      usedBytes: undefined,
    };
    this.projects.push(project);
    // A new proxy project gets this rule from Harbor.
    if (proxyOf !== undefined)
      this.retain(project, [{ template: 'nDaysSinceLastPull', params: { nDaysSinceLastPull: 7 } }]);
    return project;
  }

  /** Replaces what the project has. */
  retain(project: Project, rules: readonly RetentionRule[], cron: string | undefined = '0 0 0 * * *'): Retention {
    const known = this.retentions.find(({ projectId }) => projectId === project.id);
    const retention = known ?? { id: this.retentions.length + 1, projectId: project.id, rules, cron };
    retention.rules = rules;
    retention.cron = cron;
    if (known === undefined) this.retentions.push(retention);
    project.metadata['retention_id'] = String(retention.id);
    return retention;
  }

  addLabel(name: string, project?: Project): Label {
    const label: Label = { id: this.labels.length + 1, name, createdAt: new Date(), projectId: project?.id };
    this.labels.push(label);
    return label;
  }

  upstreamOf({ registryId }: Project): Upstream | undefined {
    return this.upstreams.find(({ id }) => id === registryId);
  }

  usedBytes(project: Project): number {
    if (project.usedBytes !== undefined) return project.usedBytes;
    // What several artifacts share is counted once.
    const sizes = new Map<string, number>();
    for (const { projectId, artifacts } of this.catalogue.repositories.values()) {
      if (projectId !== project.id) continue;
      for (const { digest, manifestBytes, blobs } of artifacts.values()) {
        sizes.set(digest, manifestBytes);
        for (const blob of blobs) sizes.set(blob.digest, blob.size);
      }
    }
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }
}
