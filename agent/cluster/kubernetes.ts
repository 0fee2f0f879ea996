/** The port to Kubernetes on a real API server. */

import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { NodeState } from '../core/node-state.ts';
import { sleep } from '../core/sleep.ts';
import { configurationKey, teamLabel } from '../core/team-image-sets.ts';
import type { ClusterAccess } from './access.ts';
import { toEventBody, toLeaseBody, toStatusPatch, toTaintRemoval } from './bodies.ts';
import type { Cluster, ClusterHandlers, ConfigMapObject } from './cluster.ts';
import { createContact } from './contact.ts';
import { readList, readRecord } from './fields.ts';
import { isSameNode, toConfigMap, toLease, toName, toNodeState } from './objects.ts';
import type { Asking, ResourceWord } from './permissions.ts';
import { Requests } from './requests.ts';
import {
  defaultWatchTimings,
  runWatchLoop,
  type WatchLoopParts,
  type WatchTarget,
  type WatchTimings,
} from './watch-loop.ts';

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

/** Its heartbeats are ours; those of all other conditions say nothing. */
const ownCondition = 'ImageSetsReady';

const mergePatch = 'application/strategic-merge-patch+json';
const jsonPatch = 'application/json-patch+json';
/** Of a taint, when the list moves in between each time. */
const removalTries = 8;
const removalPauseMs = 250;

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

  const concerns = ({ name, labels }: ConfigMapObject): boolean =>
    name === configMap || labels[teamLabel.key] === teamLabel.value;

  /** Of all that the namespace has, in the order of their names. */
  const toConcerning = (items: readonly unknown[]): ConfigMapObject[] =>
    items
      .map((item) => toConfigMap(item, configurationKey))
      .filter(concerns)
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));

  function createNodeTarget(handlers: ClusterHandlers, onContact: WatchTarget['onContact']): WatchTarget {
    let told: { readonly node: NodeState | undefined } | undefined;
    const tell = (node: NodeState | undefined): void => {
      if (told !== undefined && isSameNode(told.node, node, ownCondition)) return;
      told = { node };
      handlers.onNode(node);
    };
    const isOurs = (object: unknown): boolean => toName(object) === nodeName;
    return {
      resource: 'nodes',
      path: '/api/v1/nodes',
      query: { fieldSelector: `metadata.name=${nodeName}` },
      onList: (items) => {
        const own = items.find(isOurs);
        // What changed and changed back unseen is no change here, but may be for who wrote it.
        told = undefined;
        tell(own === undefined ? undefined : toNodeState(own));
      },
      onPut: (object) => {
        if (isOurs(object)) tell(toNodeState(object));
      },
      onDelete: (object) => {
        if (isOurs(object)) tell(undefined);
      },
      onContact,
    };
  }

  function createConfigMapsTarget(handlers: ClusterHandlers, onContact: WatchTarget['onContact']): WatchTarget {
    let told: readonly ConfigMapObject[] | undefined;
    const tell = (configMaps: readonly ConfigMapObject[]): void => {
      if (isDeepStrictEqual(told, configMaps)) return;
      told = configMaps;
      handlers.onConfigMaps(configMaps);
    };
    const without = (object: unknown): readonly ConfigMapObject[] =>
      (told ?? []).filter(({ name }) => name !== toName(object));
    return {
      resource: 'configmaps',
      path: configMapsPath,
      query: {},
      onList: (items) => tell(toConcerning(items)),
      onPut: (object) => {
        const one = toConfigMap(object, configurationKey);
        const rest = without(object);
        tell(concerns(one) ? [...rest, one].toSorted((a, b) => (a.name < b.name ? -1 : 1)) : rest);
      },
      onDelete: (object) => tell(without(object)),
      onContact,
    };
  }

  return {
    async watch(handlers, signal) {
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const contact = createContact(['nodes', 'configmaps'], (live, problem) => handlers.onContact(live, problem));
      const parts = { access, requests, observer, log, timings };
      const targets = [
        createNodeTarget(handlers, (problem) => contact('nodes', problem)),
        createConfigMapsTarget(handlers, (problem) => contact('configmaps', problem)),
      ];
      await Promise.all(targets.map((target) => runWatchLoop(target, parts, both).finally(() => stop.abort())));
    },

    async read(signal) {
      const [node, configMaps] = await Promise.all([
        getNode(signal),
        requests.ask({ asking: { resource: 'configmaps', verb: 'list' }, path: configMapsPath }, signal),
      ]);
      return { node: toNodeState(node), configMaps: toConcerning(readList(readRecord(configMaps)['items'])) };
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

    async createLease(name, holder, durationSeconds, signal) {
      const take = { name, namespace, holder, durationSeconds, at: Date.now(), resourceVersion: undefined };
      const asking = { resource: 'leases', verb: 'create' } as const;
      return toLease(await requests.ask({ asking, path: leasesPath, body: toLeaseBody(take) }, signal));
    },

    async updateLease({ name, resourceVersion }, holder, durationSeconds, signal) {
      const take = { name, namespace, holder, durationSeconds, at: Date.now(), resourceVersion };
      const asking = { resource: 'leases', verb: 'update' } as const;
      const path = `${leasesPath}/${encodeURIComponent(name)}`;
      return toLease(await requests.ask({ asking, path, body: toLeaseBody(take) }, signal));
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
