/** Desired images that a project's tag retention would delete next. */

import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import { findAtRisk, type TagAtRisk } from '../core/retention.ts';
import type { Harbor, HarborArtifact, HarborLogin, HarborProject } from '../registry/harbor.ts';

export interface RetentionCheckParts {
  readonly harbor: Harbor;
  readonly login: HarborLogin;
  /** As `storedName` writes them: what the configuration names, and the members of its patterns as far as they are known. */
  readonly desired: ReadonlySet<string>;
  /** `coordinator.keepAlive` */
  readonly keepsAlive: boolean;
  readonly now: () => number;
}

const maxRepositories = 20;
const maxTold = 5;

/** Says nothing where the project has no policy. */
export async function checkRetention(
  parts: RetentionCheckParts,
  { name: project, metadata }: HarborProject,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { harbor, login, desired, keepsAlive, now } = parts;
  const id = Number(metadata['retention_id']);
  if (!Number.isInteger(id) || id <= 0) return;
  const about = { check: 'retention', subject: `${login.host}/${project}` } as const;
  try {
    const retention = await harbor.readRetention(login, id, signal);
    const artifacts: HarborArtifact[] = [];
    for (const repository of toRepositories(desired, login.host, project)) {
      artifacts.push(...(await harbor.listArtifacts(login, project, repository, {}, signal)));
    }
    const { atRisk, unknownTemplates } = findAtRisk(retention, artifacts, now());
    const found = atRisk.filter(({ repository, tag, digest }) => {
      const name = `${login.host}/${project}/${repository}`;
      return desired.has(`${name}:${tag}`) || desired.has(`${name}@${digest}`);
    });
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
    if (found.length === 0) tell({ ...about, level: 'ok', message: 'deletes none of the desired images next' });
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (failure.code !== 'auth') throw failure;
    tell({ ...about, level: 'not_checked', message: `has a retention policy that cannot be read: ${failure.message}` });
  }
}

/** Below the project, of the desired images in it. */
function toRepositories(desired: ReadonlySet<string>, host: string, project: string): readonly string[] {
  const prefix = `${project}/`;
  const found = [...desired]
    .map(parseReference)
    .filter(({ registry, repository }) => registry === host && repository.startsWith(prefix))
    .map(({ repository }) => repository.slice(prefix.length));
  return [...new Set(found)].slice(0, maxRepositories);
}

function toWords({ repository, tag, leftMs, rule }: TagAtRisk): string {
  const days = Math.floor(leftMs / 86_400_000);
  const when =
    leftMs <= 0 ? 'by its next run' : days === 0 ? 'within a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`;
  return `deletes the desired ${repository}:${tag} ${when} (rule: ${rule})`;
}
