/** The `Harbor` port on its REST API 2.0 (2.15). */

import { Failure } from '../core/failure.ts';
import type { EndpointSettings } from './endpoint.ts';
import type { Harbor, HarborArtifact, HarborLogin, HarborProject } from './harbor.ts';
import { notTaken, type OnFailure, readProjects, readRobots, readSystemInfo, withLogin } from './harbor-accounts.ts';
import { type HarborAccount, HarborClient, toRepositoryPath } from './harbor-client.ts';
import {
  listOf,
  parseArtifact,
  parseComponent,
  parsePermission,
  parseProject,
  parseQuota,
  parseRetention,
  textOf,
  timeOf,
} from './harbor-documents.ts';
import { HarborLabels } from './harbor-labels.ts';
import { notHarbor } from './harbor-refusal.ts';
import { defaultTimeouts, type RegistryLog, type Timeouts, Transport, type TransportOptions } from './transport.ts';

export interface HarborOptions extends TransportOptions {
  /** Asked on every request, so that a new configuration takes effect at once. */
  readonly registries: () => readonly EndpointSettings[];
  readonly log?: RegistryLog;
  readonly timeouts?: Partial<Timeouts>;
  /** Each call that fails, by its class; aborts are not told. */
  readonly onFailure?: OnFailure;
}

export function createHarbor(options: HarborOptions): Harbor {
  const transport = new Transport({ ...defaultTimeouts, ...options.timeouts }, options.log, options);
  const client = new HarborClient(transport, options.registries, options.log);
  const labels = new HarborLabels(client);

  const as = <Result>(login: HarborLogin, signal: AbortSignal, work: (account: HarborAccount) => Promise<Result>) =>
    withLogin(login, signal, options.onFailure, work);
  const nobody = ({ host }: HarborLogin): HarborLogin => ({ host, credentials: [] });

  return {
    ping: (login, signal) =>
      as(nobody(login), signal, async (account) => {
        const text = await client.readText(account, { path: 'ping', subject: 'a ping' }, signal);
        if (text.trim().replaceAll('"', '') !== 'Pong') throw notHarbor(login.host, 'a ping');
      }),

    health: (login, signal) =>
      as(nobody(login), signal, async (account) => {
        const { components } = await client.read(account, { path: 'health', subject: 'its health' }, signal);
        if (!Array.isArray(components)) throw notHarbor(login.host, 'its health');
        return listOf(components).flatMap((one) => parseComponent(one) ?? []);
      }),

    system: async (login, signal) => {
      const info = await as(login, signal, async (account) => {
        const startedAt = Date.now();
        const document = await readSystemInfo(client, account, signal);
        const ownAt = (startedAt + Date.now()) / 2;
        const version = textOf(document['harbor_version']);
        const isLast = account.credential === login.credentials.findLast(({ host }) => host === login.host);
        if (version === undefined && !isLast) throw notTaken(account);
        return { document, version, ownAt };
      });
      const harborAt = timeOf(info.document['current_time']);
      const readOnly = info.document['read_only'];
      return {
        version: info.version,
        externalUrl: textOf(info.document['external_url']),
        readOnly: typeof readOnly === 'boolean' ? readOnly : undefined,
        clock: harborAt === undefined ? undefined : { harborAt, ownAt: info.ownAt },
      };
    },

    acceptsCredential: (host, credential, signal) =>
      as({ host, credentials: [credential] }, signal, (account) => client.acceptsCredential(account, signal)),

    listProjects: async ({ host, credentials }, signal) => {
      const own = credentials.filter((one) => one.host === host);
      const found = new Map<number, HarborProject>();
      const refusals: Failure[] = [];
      // Each account sees its own projects.
      const logins = own.length === 0 ? [[]] : own.map((one) => [one]);
      for (const login of logins) {
        try {
          const projects = await as({ host, credentials: login }, signal, (one) => readProjects(client, one, signal));
          for (const project of projects) found.set(project.id, project);
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== 'auth') throw error;
          refusals.push(error);
        }
      }
      if (refusals[0] !== undefined && refusals.length === logins.length) throw refusals[0];
      return [...found.values()];
    },

    readProject: (login, project, signal) =>
      as(login, signal, async (account) => {
        const question = {
          path: `projects/${encodeURIComponent(project)}`,
          subject: `project ${project}`,
          needs: { resource: 'project', action: 'read', project },
        };
        const found = parseProject(await client.read(account, question, signal));
        if (found?.name !== project) throw notHarbor(login.host, question.subject);
        return found;
      }),

    hasProject: (login, project, signal) => as(login, signal, (account) => client.hasProject(account, project, signal)),

    readPermissions: (login, projectId, signal) =>
      as(login, signal, async (account) => {
        const question = {
          path: 'users/current/permissions',
          query: { scope: `/project/${projectId}`, relative: true },
          subject: 'its own permissions',
        };
        return (await client.readList(account, question, signal)).flatMap((one) => parsePermission(one) ?? []);
      }),

    listRepositories: (login, project, signal) =>
      as(login, signal, async (account) => {
        const question = {
          path: `projects/${encodeURIComponent(project)}/repositories`,
          query: { sort: 'name' },
          subject: `the repositories of project ${project}`,
          needs: { resource: 'repository', action: 'list', project },
        };
        const names = (await client.readPages(account, question, signal)).flatMap(({ name }) => textOf(name) ?? []);
        const prefix = `${project}/`;
        const own = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
        return [...new Set(own)].toSorted();
      }),

    listArtifacts: (login, project, repository, query, signal) =>
      as(login, signal, async (account) => {
        const wanted = query.labels ?? [];
        const ids = await labels.find(account, project, wanted, signal);
        const question = {
          path: `${toRepositoryPath(project, repository)}/artifacts`,
          query: {
            q: `tags=*${ids.length === 0 ? '' : `,labels=(${ids.join(' ')})`}`,
            // What is pushed meanwhile comes last, and moves nothing to a page that was read already.
            sort: 'push_time',
            with_tag: true,
            with_label: query.withLabels === true || wanted.length > 0,
            with_scan_overview: query.withScan === true,
            with_accessory: query.withAccessories === true,
          },
          subject: `the artifacts of ${project}/${repository}`,
          needs: { resource: 'artifact', action: 'list', project },
        };
        const found = new Map<string, HarborArtifact>();
        // Of what Harbor says of an artifact little is kept, and a page of it only until the next.
        for await (const page of client.pages(account, question, signal)) {
          for (const one of page) {
            const artifact = parseArtifact(one, project, repository);
            // Harbor ignores conditions that it does not know.
            if (artifact === undefined || artifact.tags.length === 0) continue;
            if (wanted.every((label) => artifact.labels.includes(label))) found.set(artifact.digest, artifact);
          }
          query.onPage?.(found.size);
        }
        return [...found.values()];
      }),

    readArtifact: (login, project, repository, tagOrDigest, signal) =>
      as(login, signal, async (account) => {
        const isDigest = tagOrDigest.includes(':');
        const read = async (name: string): Promise<HarborArtifact> => {
          const question = {
            path: `${toRepositoryPath(project, name)}/artifacts/${encodeURIComponent(tagOrDigest).replace('%3A', ':')}`,
            query: { with_tag: true, with_label: true, with_scan_overview: true, with_accessory: true },
            subject: `${project}/${name}${isDigest ? '@' : ':'}${tagOrDigest}`,
            needs: { resource: 'artifact', action: 'read', project },
          };
          const artifact = parseArtifact(await client.read(account, question, signal), project, name);
          const isOther = isDigest && artifact?.digest !== tagOrDigest;
          if (artifact === undefined || isOther) throw notHarbor(login.host, question.subject);
          return artifact;
        };
        try {
          return await read(repository);
        } catch (error) {
          // Behind Docker Hub Harbor keeps `nginx` as `library/nginx`, and says so to runtimes only (2.15.2).
          const isShort = isDigest && !repository.includes('/');
          if (!isShort || !(error instanceof Failure) || error.code !== 'not_found') throw error;
          return await read(`library/${repository}`).catch((second: unknown) => {
            throw second instanceof Failure && second.code === 'not_found' ? error : second;
          });
        }
      }),

    readRetention: (login, retentionId, signal) =>
      as(login, signal, async (account) => {
        const needs = { resource: 'tag-retention', action: 'read', isOfSomeProject: true };
        const question = { path: `retentions/${retentionId}`, subject: `retention policy ${retentionId}`, needs };
        return parseRetention(await client.read(account, question, signal));
      }),

    readQuota: async (login, project, signal) => {
      try {
        return await as(login, signal, async (account) => {
          const question = {
            path: `projects/${encodeURIComponent(project)}/summary`,
            subject: `the quota of project ${project}`,
            needs: { resource: 'quota', action: 'read', project },
          };
          return parseQuota(await client.read(account, question, signal));
        });
      } catch (error) {
        if (error instanceof Failure && error.detail === 'forbidden') return undefined;
        throw error;
      }
    },

    readUpstream: (login, upstreamId, signal) =>
      as(login, signal, async (account) => {
        const needs = { resource: 'registry', action: 'read' };
        const question = { path: `registries/${upstreamId}`, subject: `registry endpoint ${upstreamId}`, needs };
        const { name, url, status } = await client.read(account, question, signal);
        return { name: textOf(name) ?? '', url: textOf(url) ?? '', status: textOf(status) ?? '' };
      }),

    listRobots: (login, signal) => as(login, signal, (account) => readRobots(client, account, signal)),

    close: () => transport.close(),
  };
}
