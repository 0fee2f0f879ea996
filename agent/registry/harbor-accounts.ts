/** Who asks Harbor: logins that are tried in order, and what an account sees without knowing where to look. */

import type { Credential } from '../core/credentials.ts';
import { Failure, type FailureCode } from '../core/failure.ts';
import type { HarborLogin, HarborProject, HarborRobot } from './harbor.ts';
import type { HarborAccount, HarborClient } from './harbor-client.ts';
import { type Fields, parseProject, parseRobot, textOf } from './harbor-documents.ts';
import type { NeededPermission } from './harbor-refusal.ts';

export type OnFailure = (registryHost: string, code: FailureCode) => void;

/**
 * Runs the work as nobody, or with each credential for the host until one may do it.
 * @throws Failure the first that names a missing permission, which says more than a wrong password; else the last.
 */
export async function withLogin<Result>(
  { host, credentials }: HarborLogin,
  signal: AbortSignal,
  onFailure: OnFailure | undefined,
  work: (account: HarborAccount) => Promise<Result>,
): Promise<Result> {
  const own: readonly (Credential | undefined)[] = credentials.filter((one) => one.host === host);
  let refusal: Failure | undefined;
  try {
    for (const credential of own.length === 0 ? [undefined] : own) {
      signal.throwIfAborted();
      try {
        return await work({ host, credential });
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== 'auth') throw error;
        if (refusal?.detail !== 'forbidden') refusal = error;
      }
    }
    throw refusal ?? new Failure('auth', `${host} wants a credential`);
  } catch (error) {
    if (!signal.aborted) onFailure?.(host, Failure.from(error).code);
    throw error;
  }
}

/** A wrong password gets an answer all the same, without the version. */
export function readSystemInfo(client: HarborClient, account: HarborAccount, signal: AbortSignal): Promise<Fields> {
  return client.read(account, { path: 'systeminfo', subject: 'its version' }, signal);
}

/** A wrong password makes one nobody, who sees public projects and is not told that there are others: so the password is looked at first. */
export async function readProjects(
  client: HarborClient,
  account: HarborAccount,
  signal: AbortSignal,
): Promise<HarborProject[]> {
  if (account.credential !== undefined) {
    const { harbor_version: version } = await readSystemInfo(client, account, signal);
    if (textOf(version) === undefined) throw notTaken(account);
  }
  const question = { path: 'projects', query: { sort: 'name' }, subject: 'its projects' };
  return (await client.readPages(account, question, signal)).flatMap((one) => parseProject(one) ?? []);
}

/** Those of the system, and of each project that the account sees; what it may not list is left out. */
export async function readRobots(
  client: HarborClient,
  account: HarborAccount,
  signal: AbortSignal,
): Promise<HarborRobot[]> {
  const needs = { resource: 'robot', action: 'list' };
  const lists = [await listRobots(client, account, 'Level=system', needs, signal)];
  for (const { id, name } of await readProjects(client, account, signal)) {
    const q = `Level=project,ProjectID=${id}`;
    lists.push(await listRobots(client, account, q, { ...needs, project: name }, signal));
  }
  const found = lists.flatMap((list) => (list instanceof Failure ? [] : [list]));
  if (found.length === 0 && lists[0] instanceof Failure) throw lists[0];
  return found.flat();
}

async function listRobots(
  client: HarborClient,
  account: HarborAccount,
  q: string,
  needs: NeededPermission,
  signal: AbortSignal,
): Promise<HarborRobot[] | Failure> {
  const subject = `the robots ${needs.project === undefined ? 'of the system' : `of project ${needs.project}`}`;
  try {
    const robots = await client.readPages(account, { path: 'robots', query: { q }, subject, needs }, signal);
    return robots.flatMap((one) => parseRobot(one) ?? []);
  } catch (error) {
    if (error instanceof Failure && (error.detail === 'forbidden' || error.code === 'not_found')) return error;
    throw error;
  }
}

export function notTaken({ host, credential }: HarborAccount): Failure {
  return new Failure('auth', `${host} does not take the credential of ${credential?.username ?? 'nobody'}`, {
    detail: 'auth_failed',
  });
}
