import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Demand } from '../core/demand.ts';
import type { Logger } from '../core/logger.ts';
import type { Resolutions } from '../core/resolution.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import { apiLane, Breaker } from './breaker.ts';
import { type ProjectBook, projectOf } from './project-book.ts';

export interface HarborWatchParts {
  readonly harbor: Pick<Harbor, 'health' | 'readQuota'>;
  readonly projects: ProjectBook;
  readonly recorder: Pick<HarborRecorder, 'harborReachable' | 'harborComponent' | 'projectQuota'>;
  readonly log: Logger;
}

/** How the Harbors are, and how full the projects of desired images: asked by one agent for all. */
export class HarborWatch {
  readonly #parts: HarborWatchParts;
  readonly #said = new Map<string, string>();

  constructor(parts: HarborWatchParts) {
    this.#parts = parts;
  }

  /** Rejects only with an abort. */
  async look(hosts: readonly string[], resolutions: Resolutions, demand: Demand, signal: AbortSignal): Promise<void> {
    const breaker = new Breaker();
    for (const host of hosts) {
      await this.#try(host, signal, () => this.#lookAtHealth(host, breaker, signal));
    }
    for (const [name, { reference, sources }] of this.#projectsOf(hosts, resolutions, demand)) {
      await this.#try(name, signal, async () => {
        const { registry, repository } = parseReference(reference);
        const login = await this.#parts.projects.loginFor({ registry, repository }, sources);
        const project = projectOf(repository) ?? '';
        const quota = await breaker.ask(apiLane(registry), signal, (limited) =>
          this.#parts.harbor.readQuota(login, project, limited),
        );
        if (quota !== undefined) this.#parts.recorder.projectQuota(registry, project, quota.usedBytes, quota.hardBytes);
      });
    }
  }

  async #lookAtHealth(host: string, breaker: Breaker, signal: AbortSignal): Promise<void> {
    const { harbor, projects, recorder } = this.#parts;
    const login = await projects.loginFor({ registry: host, repository: '' }, []);
    try {
      const components = await breaker.ask(apiLane(host), signal, (limited) => harbor.health(login, limited));
      recorder.harborReachable(host, true);
      for (const { name, healthy } of components) recorder.harborComponent(host, name, healthy);
    } catch (error) {
      signal.throwIfAborted();
      recorder.harborReachable(host, false);
      throw error;
    }
  }

  #projectsOf(hosts: readonly string[], resolutions: Resolutions, demand: Demand) {
    const found = new Map<
      string,
      { readonly reference: string; readonly sources: Demand['images'][number]['credentials'] }
    >();
    const note = (reference: string, sources: Demand['images'][number]['credentials']): void => {
      const { registry, repository } = parseReference(reference);
      const project = projectOf(repository);
      if (project === undefined || !hosts.includes(registry)) return;
      const name = `${registry}/${project}`;
      if (!found.has(name)) found.set(name, { reference, sources });
    };
    for (const { reference, credentials } of demand.images) note(reference, credentials);
    for (const { key, credentials } of demand.patterns) {
      for (const reference of resolutions.patterns.get(key)?.members ?? []) note(reference, credentials);
    }
    return found;
  }

  async #try(name: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#said.delete(name);
    } catch (error) {
      signal.throwIfAborted();
      const { code, detail, message } = Failure.from(error);
      if (this.#said.get(name) === message) return;
      this.#said.set(name, message);
      this.#parts.log.warn({ harbor: name, code, detail, error: message }, 'Harbor did not say how it is');
    }
  }
}
