/** The port to Kubernetes on a real API server. */

import { randomBytes } from 'node:crypto';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { sleep } from '../core/sleep.ts';
import { configurationKey } from '../core/team-image-sets.ts';
import type { ClusterAccess } from './access.ts';
import { toAccessReview, toEventBody, toLeaseBody, toResolvedBody, toStatusPatch, toTaintRemoval } from './bodies.ts';
import type { Cluster, ResolvedConfigMap } from './cluster.ts';
import { createContact } from './contact.ts';
import { type Fields, readList, readRecord, readString } from './fields.ts';
import { toClusterNode, toConfigMap, toLease, toNodeState, toResolved } from './objects.ts';
import { listPages } from './pages.ts';
import type { Asking, ResourceWord } from './permissions.ts';
import { Requests } from './requests.ts';
import { ResolvedMetadata } from './resolved-metadata.ts';
import { defaultWatchTimings, runWatchLoop, type WatchLoopParts, type WatchTimings } from './watch-loop.ts';
import {
  concernsConfiguration,
  configMapsPage,
  createConfigMapsTarget,
  createNodeTarget,
  isResolved,
} from './watch-targets.ts';

export interface ClusterOptions {
  readonly nodeName: string;
  readonly namespace: string;
  /** The agent's own ConfigMap. */
  readonly configMap: string;
  readonly log: Logger;
  /** Each request by its HTTP status, or `error` where there was no answer. */
  readonly onRequest?: (verb: Asking['verb'], resource: ResourceWord, code: string) => void;
  /** The API server was heard just now: an answer, a watch event or a bookmark. */
  readonly onHeard?: () => void;
  readonly onWatchRestarted?: (resource: 'nodes' | 'configmaps') => void;
  readonly timings?: Partial<WatchTimings>;
}

const mergePatch = 'application/strategic-merge-patch+json';
const jsonPatch = 'application/json-patch+json';
/** Of a taint, when the list moves in between each time. */
const removalTries = 8;
const removalPauseMs = 250;

/** Some 5 KB each, most of it managedFields. */
const nodesPage = 500;
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';

/** `access` is closed with it. */
export function createCluster(access: ClusterAccess, options: ClusterOptions): Cluster {
  const { nodeName, namespace, configMap, log } = options;
  const observer: WatchLoopParts['observer'] = {
    onRequest: (...request) => options.onRequest?.(...request),
    onHeard: () => options.onHeard?.(),
    onWatchRestarted: (resource) => options.onWatchRestarted?.(resource),
  };
  const requests = new Requests(access, observer);
  const timings = { ...defaultWatchTimings, ...options.timings };
  const nodePath = `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
  const configMapsPath = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  const leasesPath = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;

  const getNode = (signal: AbortSignal): Promise<unknown> =>
    requests.ask({ asking: { resource: 'nodes', verb: 'get' }, path: nodePath }, signal);

  const metadata = new ResolvedMetadata();

  const listConfigMaps = async <T>(toItem: (object: unknown) => T | undefined, signal: AbortSignal) => {
    const question = { asking: { resource: 'configmaps', verb: 'list' }, path: configMapsPath } as const;
    return (await listPages(requests, question, configMapsPage, toItem, signal)).items;
  };

  const toNotedResolved = (object: unknown): ResolvedConfigMap => {
    metadata.note(object);
    return toResolved(object);
  };

  const readResolved: Cluster['readResolved'] = (signal) =>
    listConfigMaps((object) => (isResolved(object) ? toNotedResolved(object) : undefined), signal);

  /** There is no right to get a ConfigMap. @throws Failure `not_found`; detail `conflict` */
  async function findMetadata(name: string, resourceVersion: string, signal: AbortSignal): Promise<Fields> {
    const isThere = (await readResolved(signal)).some((one) => one.name === name);
    if (!isThere) throw new Failure('not_found', `there is no ConfigMap ${name} of the coordinator`);
    const found = metadata.find(name, resourceVersion);
    if (found !== undefined) return found;
    throw new Failure('other', `the ConfigMap ${name} has been modified`, { detail: 'conflict' });
  }

  return {
    async watch(handlers, signal) {
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const contact = createContact(['nodes', 'configmaps'], (live, problem) => handlers.onContact(live, problem));
      const parts = { access, requests, observer, log, timings };
      const targets = [
        createNodeTarget(nodeName, handlers, (problem) => contact('nodes', problem)),
        createConfigMapsTarget({ path: configMapsPath, configMap, metadata }, handlers, (problem) =>
          contact('configmaps', problem),
        ),
      ];
      await Promise.all(targets.map((target) => runWatchLoop(target, parts, both).finally(() => stop.abort())));
    },

    async read(signal) {
      const toConcerning = (object: unknown) =>
        concernsConfiguration(object, configMap) ? toConfigMap(object, configurationKey) : undefined;
      const [node, configMaps] = await Promise.all([getNode(signal), listConfigMaps(toConcerning, signal)]);
      return {
        node: toNodeState(node),
        configMaps: configMaps.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
      };
    },

    async patchNodeStatus(patch, signal, { dryRun = false } = {}) {
      await requests.ask(
        {
          asking: { resource: 'nodes/status', verb: 'patch' },
          path: `${nodePath}/status`,
          ...(dryRun ? { query: { dryRun: 'All' } } : {}),
          body: toStatusPatch(patch),
          contentType: mergePatch,
        },
        signal,
      );
    },

    async removeTaint(key, signal) {
      for (let tries = 1; ; tries += 1) {
        const body = toTaintRemoval(await getNode(signal), key);
        if (body === undefined) return 'absent';
        try {
          const asking = { resource: 'nodes', verb: 'patch' } as const;
          await requests.ask({ asking, path: nodePath, body, contentType: jsonPatch }, signal);
          return 'removed';
        } catch (error) {
          // The list moved since it was read.
          const isMoved = error instanceof Failure && (error.detail === 'invalid' || error.detail === 'conflict');
          if (!isMoved || tries === removalTries) throw error;
          await sleep(Math.random() * removalPauseMs, signal);
          signal.throwIfAborted();
        }
      }
    },

    async listLeases(prefix, signal) {
      const answer = await requests.ask({ asking: { resource: 'leases', verb: 'list' }, path: leasesPath }, signal);
      return readList(readRecord(answer)['items'])
        .map(toLease)
        .filter(({ name }) => name.startsWith(prefix));
    },

    async getLease(name, signal) {
      const path = `${leasesPath}/${encodeURIComponent(name)}`;
      return toLease(await requests.ask({ asking: { resource: 'leases', verb: 'get' }, path }, signal));
    },

    async createLease(name, holder, durationSeconds, signal) {
      const since = { at: Date.now(), resourceVersion: undefined, annotations: {} };
      const body = toLeaseBody({ name, namespace, holder, durationSeconds, ...since });
      const asking = { resource: 'leases', verb: 'create' } as const;
      return toLease(await requests.ask({ asking, path: leasesPath, body }, signal));
    },

    async updateLease({ name, resourceVersion, ...was }, holder, durationSeconds, signal, annotations) {
      const since = { at: Date.now(), resourceVersion, annotations: annotations ?? was.annotations };
      const body = toLeaseBody({ name, namespace, holder, durationSeconds, ...since });
      const asking = { resource: 'leases', verb: 'update' } as const;
      return toLease(await requests.ask({ asking, path: `${leasesPath}/${encodeURIComponent(name)}`, body }, signal));
    },

    readResolved,

    async updateResolved({ name, resourceVersion }, data, signal) {
      const known = metadata.find(name, resourceVersion) ?? (await findMetadata(name, resourceVersion, signal));
      const asking = { resource: 'configmaps', verb: 'update' } as const;
      const path = `${configMapsPath}/${encodeURIComponent(name)}`;
      const body = toResolvedBody({ name, namespace, resourceVersion }, known, data);
      return toNotedResolved(await requests.ask({ asking, path, body }, signal));
    },

    async listNodes(signal) {
      const asking = { resource: 'nodes', verb: 'list' } as const;
      const question = { asking, path: '/api/v1/nodes', accept: metadataOnly };
      return (await listPages(requests, question, nodesPage, toClusterNode, signal)).items;
    },

    async reviewAccess(question, signal) {
      const asking = { resource: 'selfsubjectaccessreviews', verb: 'create' } as const;
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const answer = await requests.ask({ asking, path, body: toAccessReview(question) }, signal);
      const { allowed, reason, evaluationError } = readRecord(readRecord(answer)['status']);
      return { allowed: allowed === true, reason: readString(reason) || readString(evaluationError) || '' };
    },

    async createEvent(event, signal) {
      const suffix = randomBytes(8).toString('hex');
      const body = toEventBody(event, { nodeName, at: Date.now(), suffix });
      const asking = { resource: 'events', verb: 'create' } as const;
      await requests.ask({ asking, path: '/apis/events.k8s.io/v1/namespaces/default/events', body }, signal);
    },

    close: () => access.close(),
  };
}
