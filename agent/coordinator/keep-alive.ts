import type { CredentialSource } from '../core/configuration.ts';
import type { Demand } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import {
  type DesiredAtRisk,
  type DesiredInProject,
  findDesiredAtRisk,
  type StoredReader,
} from '../core/desired-retention.ts';
import { formatReference, parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { ResolvedImage, Resolutions } from '../core/resolution.ts';
import { toDeletionTime } from '../core/retention.ts';
import type { Harbor, HarborLogin, HarborProject } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import { apiLane, Breaker, registryLane } from './breaker.ts';
import { type ProjectBook, projectOf } from './project-book.ts';

export interface KeepAliveParts {
  readonly source: Pick<ImageSource, 'readImage'>;
  readonly harbor: Pick<Harbor, 'readRetention' | 'listArtifacts' | 'readArtifact'>;
  readonly projects: ProjectBook;
  readonly isHarbor: (host: string) => boolean;
  readonly recorder: Pick<HarborRecorder, 'retentionAtRisk' | 'keptAlive'>;
  readonly log: Logger;
}

/** A desired image that a retention rule of its project would delete. */
export interface RetentionRisk {
  readonly reference: string;
  readonly project: string;
  readonly message: string;
}

/** What is desired of one project. */
interface Group {
  readonly host: string;
  readonly project: HarborProject;
  readonly login: HarborLogin;
  readonly images: DesiredInProject[];
}

const dayMs = 86_400_000;

/**
 * Harbor's retention counts pulls, and what every node already holds is pulled by nobody: says which desired images it would delete, and pulls
 * each of them for once where that is asked for.
 */
export class KeepAlive {
  readonly #parts: KeepAliveParts;
  /** When each reference was touched last, epoch ms: Harbor may be set not to count pulls. */
  readonly #touched = new Map<string, number>();
  readonly #said = new Map<string, string>();
  #reported = new Set<string>();
  /** Of one look. */
  #breaker = new Breaker();

  constructor(parts: KeepAliveParts) {
    this.#parts = parts;
  }

  /** Desired images at risk, as far as retention may be read. @param touch also keep them alive. Rejects only with an abort. */
  async look(
    resolutions: Resolutions,
    demand: Demand,
    touch: boolean,
    signal: AbortSignal,
  ): Promise<readonly RetentionRisk[]> {
    const risks: RetentionRisk[] = [];
    const reported = new Set<string>();
    this.#breaker = new Breaker();
    for (const group of await this.#group(resolutions, demand, signal)) {
      const { name } = group.project;
      try {
        const found = await this.#lookAt(group, touch, signal);
        if (found === undefined) continue;
        risks.push(...found);
        reported.add(name);
        this.#parts.recorder.retentionAtRisk(name, found.length);
      } catch (error) {
        signal.throwIfAborted();
        this.#say(group, Failure.from(error));
      }
    }
    for (const name of this.#reported) if (!reported.has(name)) this.#parts.recorder.retentionAtRisk(name, 0);
    this.#reported = reported;
    return risks;
  }

  async #group(resolutions: Resolutions, demand: Demand, signal: AbortSignal): Promise<readonly Group[]> {
    const { projects, isHarbor } = this.#parts;
    const groups = new Map<string, Group>();
    for (const [reference, sources] of toSources(resolutions, demand)) {
      const { registry: host, repository, tag, digest } = parseReference(reference);
      const name = projectOf(repository);
      if (!isHarbor(host) || name === undefined) continue;
      const login = await projects.loginFor({ registry: host, repository }, sources);
      const seen = await projects.list(login, signal);
      const project = seen.ok ? seen.byName.get(name) : undefined;
      if (project === undefined) continue;
      const key = `${host}/${name}`;
      const group = groups.get(key) ?? { host, project, login, images: [] };
      groups.set(key, group);
      const isProxied = project.upstreamId !== undefined;
      const cached = isProxied ? toCached(resolutions.images.get(reference)) : undefined;
      group.images.push({ reference, repository: repository.slice(name.length + 1), tag, digest, cached });
    }
    return [...groups.values()];
  }

  /** Undefined: the project has no retention. @throws Failure */
  async #lookAt(group: Group, touch: boolean, signal: AbortSignal): Promise<readonly RetentionRisk[] | undefined> {
    const { harbor } = this.#parts;
    const { login, project, images } = group;
    const id = Number(project.metadata['retention_id'] ?? Number.NaN);
    if (!Number.isInteger(id) || id <= 0) return undefined;
    const asking = <Result>(work: (limited: AbortSignal) => Promise<Result>) =>
      this.#breaker.ask(apiLane(group.host), signal, work);
    const retention = await asking((limited) => harbor.readRetention(login, id, limited));
    if (retention.rules.every(({ disabled }) => disabled)) return [];
    const reader: StoredReader = {
      list: (repository) => asking((limited) => harbor.listArtifacts(login, project.name, repository, {}, limited)),
      read: (repository, digest) =>
        asking((limited) => harbor.readArtifact(login, project.name, repository, digest, limited)),
    };
    const { atRisk, renewable, unread } = await findDesiredAtRisk(retention, images, reader, Date.now());
    if (touch) for (const risk of renewable) await this.#touch(risk, group, signal);
    if (unread === undefined) this.#said.delete(project.name);
    else this.#say(group, unread);
    return atRisk.map((risk) => ({
      reference: risk.reference,
      project: project.name,
      message: toMessage(risk, retention.cron),
    }));
  }

  /** One GET of the manifest, which Harbor counts as a pull, in a third of the rule's period. */
  async #touch(
    { reference, child, periodDays, isRenewedByPull, pulledAt }: DesiredAtRisk,
    { host, login }: Group,
    signal: AbortSignal,
  ): Promise<void> {
    if (!isRenewedByPull) return;
    const now = Date.now();
    const parsed = parseReference(reference);
    // By tag the upstream would be asked, and another manifest counted. Since 2.15.1 the pull of a child counts for its index too.
    const meant = child === undefined ? parsed : { ...parsed, tag: undefined, digest: child };
    const key = formatReference(meant);
    const thirdMs = ((periodDays ?? 1) * dayMs) / 3;
    if (now - Math.max(pulledAt, this.#touched.get(key) ?? Number.NEGATIVE_INFINITY) < thirdMs) return;
    this.#touched.set(key, now);
    try {
      await this.#breaker.ask(registryLane(host), signal, (limited) =>
        this.#parts.source.readImage(meant, [], login.credentials, limited),
      );
      this.#parts.recorder.keptAlive();
      this.#parts.log.info({ image: reference }, 'image kept alive: retention would have deleted it');
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = Failure.from(error);
      this.#parts.log.warn({ image: reference, code, error: message }, 'image could not be kept alive');
    }
  }

  #say({ host, project: { name } }: Group, { code, detail, message }: Failure): void {
    if (this.#said.get(name) === message) return;
    this.#said.set(name, message);
    const fields = { registry: host, project: name, code, detail, error: message };
    this.#parts.log.info(fields, 'what the retention of a project would delete is not known');
  }
}

/** All desired references, with what opens them. */
function toSources(resolutions: Resolutions, demand: Demand): ReadonlyMap<string, readonly CredentialSource[]> {
  const sources = new Map(demand.images.map(({ reference, credentials }) => [reference, credentials]));
  for (const { key, credentials } of demand.patterns) {
    for (const reference of resolutions.patterns.get(key)?.members ?? []) {
      if (!sources.has(reference)) sources.set(reference, credentials);
    }
  }
  return sources;
}

function toCached(image: ResolvedImage | undefined): DesiredInProject['cached'] {
  const platforms = image?.platforms.filter(({ refusal }) => refusal === undefined) ?? [];
  return { digest: image?.digest, children: [...new Set(platforms.map(({ digest }) => digest))] };
}

function toMessage(risk: DesiredAtRisk, cron: string | undefined): string {
  return `${toDeletionTime(risk)} it is deleted (${risk.rule})${cron === undefined ? '; retention does not run by itself' : ''}`;
}
