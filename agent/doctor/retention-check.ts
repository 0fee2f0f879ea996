/** Desired images that a project's tag retention would delete next. */

import {
  type DesiredAtRisk,
  type DesiredInProject,
  findDesiredAtRisk,
  type StoredReader,
} from '../core/desired-retention.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Resolutions } from '../core/resolution.ts';
import { toDeletionTime } from '../core/retention.ts';
import type { Harbor, HarborLogin, HarborProject } from '../registry/harbor.ts';

export interface RetentionCheckParts {
  readonly harbor: Harbor;
  readonly login: HarborLogin;
  /** As `storedName` writes them: what the configuration names, and the members of its patterns as far as they are known. */
  readonly desired: ReadonlySet<string>;
  /** As far as they are known on this node. */
  readonly resolutions: Resolutions;
  /** `coordinator.keepAlive` */
  readonly keepsAlive: boolean;
  readonly now: () => number;
}

const maxRepositories = 20;
const maxImages = 200;
const maxTold = 5;

/** Says nothing where the project has no policy. */
export async function checkRetention(
  parts: RetentionCheckParts,
  { name: project, metadata, upstreamId }: HarborProject,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { harbor, login, keepsAlive, now } = parts;
  const id = Number(metadata['retention_id']);
  if (!Number.isInteger(id) || id <= 0) return;
  const about = { check: 'retention', subject: `${login.host}/${project}` } as const;
  try {
    const retention = await harbor.readRetention(login, id, signal);
    const images = toImages(parts, project, upstreamId !== undefined);
    const reader: StoredReader = {
      list: (repository) => harbor.listArtifacts(login, project, repository, {}, signal),
      read: (repository, digest) => harbor.readArtifact(login, project, repository, digest, signal),
    };
    const outlook = await findDesiredAtRisk(retention, images, reader, now());
    const { atRisk: found, unknownTemplates, unread } = outlook;
    const runs = retention.cron === undefined ? ', which runs only by hand' : '';
    for (const one of found.slice(0, maxTold)) {
      const advice = keepsAlive
        ? 'the coordinator pulls it by itself in time: see that one leads'
        : 'exempt it in the retention policy, or set coordinator.keepAlive';
      tell({
        ...about,
        level: 'warning',
        message: `${toWords(one)}${runs}`,
        ...(one.isRenewedByPull ? { advice } : {}),
      });
    }
    if (found.length > maxTold) {
      tell({
        ...about,
        level: 'warning',
        message: `${found.length - maxTold} more desired images are under that policy`,
      });
    }
    for (const template of unknownTemplates) {
      tell({ ...about, level: 'not_checked', message: `its rule ${template} is not known to this version` });
    }
    if (unread !== undefined) {
      const message = `cached images that are there without their tag could not be looked for: ${unread.message}`;
      tell({ ...about, level: 'not_checked', message });
    }
    if (found.length === 0) tell({ ...about, level: 'ok', message: 'deletes none of the desired images next' });
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (failure.code !== 'auth') throw failure;
    tell({ ...about, level: 'not_checked', message: `has a retention policy that cannot be read: ${failure.message}` });
  }
}

/** The desired images in the project, of so many of its repositories. */
function toImages({ desired, resolutions, login }: RetentionCheckParts, project: string, isProxied: boolean) {
  const prefix = `${project}/`;
  const images = [...desired].flatMap((reference): DesiredInProject[] => {
    const { registry, repository, tag, digest } = parseReference(reference);
    if (registry !== login.host || !repository.startsWith(prefix)) return [];
    const known = resolutions.images.get(reference);
    const children = [...new Set(known?.platforms.map((platform) => platform.digest))];
    const cached = isProxied ? { digest: known?.digest, children } : undefined;
    return [{ reference, repository: repository.slice(prefix.length), tag, digest, cached }];
  });
  const repositories = new Set([...new Set(images.map(({ repository }) => repository))].slice(0, maxRepositories));
  return images.filter(({ repository }) => repositories.has(repository)).slice(0, maxImages);
}

function toWords(risk: DesiredAtRisk): string {
  const { reference, repository, tag, rule } = risk;
  const name = tag === undefined ? reference.slice(reference.indexOf(repository)) : `${repository}:${tag}`;
  return `deletes the desired ${name} ${toDeletionTime(risk)} (rule: ${rule})`;
}
