import type { CredentialSource } from '../core/configuration.ts';
import type { ImageName } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import type { Harbor, HarborLogin, HarborProject } from '../registry/harbor.ts';
import { apiLane, Breaker } from './breaker.ts';
import type { CredentialsFor } from './parts.ts';

export interface ProjectBookParts {
  readonly harbor: Pick<Harbor, 'listProjects'>;
  readonly credentialsFor: CredentialsFor;
}

export type Projects =
  | { readonly ok: true; readonly byName: ReadonlyMap<string, HarborProject> }
  | { readonly ok: false; readonly failure: Failure };

/** What accounts see of Harbors' projects, asked once until `forget`. */
export class ProjectBook {
  readonly #parts: ProjectBookParts;
  readonly #asked = new Map<string, Promise<Projects>>();
  #breaker = new Breaker();

  constructor(parts: ProjectBookParts) {
    this.#parts = parts;
  }

  /** A new round asks anew. */
  forget(): void {
    this.#asked.clear();
    this.#breaker = new Breaker();
  }

  async loginFor(image: ImageName, sources: readonly CredentialSource[]): Promise<HarborLogin> {
    return { host: image.registry, credentials: await this.#parts.credentialsFor(image, sources) };
  }

  /** Those that the login sees, and public ones. Never rejects but with an abort. */
  async list(login: HarborLogin, signal: AbortSignal): Promise<Projects> {
    const key = JSON.stringify([login.host, login.credentials.map(({ username }) => username)]);
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = this.#ask(login, signal);
      this.#asked.set(key, asked);
    }
    const projects = await asked;
    signal.throwIfAborted();
    return projects;
  }

  async #ask(login: HarborLogin, signal: AbortSignal): Promise<Projects> {
    try {
      const projects = await this.#breaker.ask(apiLane(login.host), signal, (limited) =>
        this.#parts.harbor.listProjects(login, limited),
      );
      return { ok: true, byName: new Map(projects.map((project) => [project.name, project])) };
    } catch (error) {
      return { ok: false, failure: Failure.from(error) };
    }
  }
}

/** The project's name in a repository of a Harbor; undefined: such a name has none. */
export function projectOf(repository: string): string | undefined {
  const slash = repository.indexOf('/');
  return slash <= 0 ? undefined : repository.slice(0, slash);
}
