import type { CredentialSource } from '../core/configuration.ts';
import type { Demand } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { Resolutions } from '../core/resolution.ts';
import { findAtRisk, type TagAtRisk } from '../core/retention.ts';
import type { Harbor, HarborArtifact, HarborLogin, HarborProject } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import { apiLane, Breaker, registryLane } from './breaker.ts';
import { type ProjectBook, projectOf } from './project-book.ts';

export interface KeepAliveParts {
  readonly source: Pick<ImageSource, 'readImage'>;
  readonly harbor: Pick<Harbor, 'readRetention' | 'listArtifacts'>;
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

/** Desired tags of one project. */
interface Group {
  readonly host: string;
  readonly project: HarborProject;
  readonly login: HarborLogin;
  /** By repository below the project, then tag. */
  readonly tags: Map<string, Map<string, string>>;
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
        this.#said.delete(name);
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
      if (!isHarbor(host) || name === undefined || tag === undefined || digest !== undefined) continue;
      const login = await projects.loginFor({ registry: host, repository }, sources);
      const seen = await projects.list(login, signal);
      const project = seen.ok ? seen.byName.get(name) : undefined;
      if (project === undefined) continue;
      const key = `${host}/${name}`;
      const group = groups.get(key) ?? { host, project, login, tags: new Map<string, Map<string, string>>() };
      groups.set(key, group);
      const below = repository.slice(name.length + 1);
      const tags = group.tags.get(below) ?? new Map<string, string>();
      group.tags.set(below, tags.set(tag, reference));
    }
    return [...groups.values()];
  }

  /** Undefined: the project has no retention. @throws Failure */
  async #lookAt(group: Group, touch: boolean, signal: AbortSignal): Promise<readonly RetentionRisk[] | undefined> {
    const { harbor } = this.#parts;
    const { login, project, tags } = group;
    const id = Number(project.metadata['retention_id'] ?? Number.NaN);
    if (!Number.isInteger(id) || id <= 0) return undefined;
    const asking = <Result>(work: (limited: AbortSignal) => Promise<Result>) =>
      this.#breaker.ask(apiLane(group.host), signal, work);
    const retention = await asking((limited) => harbor.readRetention(login, id, limited));
    if (retention.rules.every(({ disabled }) => disabled)) return [];
    const artifacts: HarborArtifact[] = [];
    for (const repository of tags.keys()) {
      artifacts.push(
        ...(await asking((limited) => harbor.listArtifacts(login, project.name, repository, {}, limited))),
      );
    }
    const now = Date.now();
    const { atRisk } = findAtRisk(retention, artifacts, now);
    const risks: RetentionRisk[] = [];
    for (const risk of atRisk) {
      const reference = tags.get(risk.repository)?.get(risk.tag);
      if (reference === undefined) continue;
      risks.push({ reference, project: project.name, message: toMessage(risk, retention.cron) });
      if (touch) await this.#touch(reference, risk, group, pulledAt(artifacts, risk), now, signal);
    }
    return risks;
  }

  /** One GET of the manifest, which Harbor counts as a pull, in a third of the rule's period. */
  async #touch(
    reference: string,
    { periodDays, isRenewedByPull }: TagAtRisk,
    { host, login }: Group,
    pulled: number,
    now: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (!isRenewedByPull) return;
    const thirdMs = ((periodDays ?? 1) * dayMs) / 3;
    if (now - Math.max(pulled, this.#touched.get(reference) ?? Number.NEGATIVE_INFINITY) < thirdMs) return;
    this.#touched.set(reference, now);
    try {
      await this.#breaker.ask(registryLane(host), signal, (limited) =>
        this.#parts.source.readImage(parseReference(reference), [], login.credentials, limited),
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

function pulledAt(artifacts: readonly HarborArtifact[], { repository, tag, digest }: TagAtRisk): number {
  const artifact = artifacts.find((one) => one.repository === repository && one.digest === digest);
  const own = artifact?.tags.find(({ name }) => name === tag);
  return Math.max(artifact?.pulledAt ?? Number.NEGATIVE_INFINITY, own?.pulledAt ?? Number.NEGATIVE_INFINITY);
}

function toMessage({ leftMs, rule }: TagAtRisk, cron: string | undefined): string {
  const when =
    leftMs <= 0
      ? 'the next run deletes it'
      : leftMs === Number.POSITIVE_INFINITY
        ? 'others may push it out'
        : `in ${Math.max(1, Math.round(leftMs / dayMs))} days it is deleted`;
  return `${when} (${rule})${cron === undefined ? '; retention does not run by itself' : ''}`;
}
