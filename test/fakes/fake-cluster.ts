/**
 * Kubernetes in memory. Several agents' clusters share one `FakeApi`:
 *
 *     const api = new FakeApi();
 *     api.setNode('n1', { labels: { gpu: 'yes' } });
 *     api.setConfigMap('stevedore', 'imageSets: []');
 *     const cluster = new FakeCluster('n1', { api });
 *     cluster.fail('patchNodeStatus', new Failure('auth', 'no', { detail: 'forbidden' }), 2);   // the next two
 *     cluster.away(new Failure('network', 'nobody answers'));                  // everything, until cluster.away(undefined)
 *     api.node('n1')?.labels; api.events; api.lease('stevedore-pull-0'); cluster.calls;
 */

import { once } from 'node:events';
import type {
  Cluster,
  ClusterEvent,
  ClusterHandlers,
  ConfigMapObject,
  LeaseRecord,
  NodeStatusPatch,
} from '../../agent/cluster/cluster.ts';
import { Failure } from '../../agent/core/failure.ts';
import type { NodeCondition, NodeState } from '../../agent/core/node-state.ts';
import { FakeApi } from './fake-api.ts';

export { FakeApi } from './fake-api.ts';

/** A method that fails when it is told to. */
export type FakeMethod = Exclude<keyof Cluster, 'watch' | 'close'>;

export interface FakeClusterOptions {
  readonly api?: FakeApi;
  /** The agent's own ConfigMap; default `stevedore`. */
  readonly configMap?: string;
}

export class FakeCluster implements Cluster {
  readonly nodeName: string;
  readonly api: FakeApi;
  /** Every call, also those that failed, without `watch`. */
  readonly calls: FakeMethod[] = [];
  /** The patches that were asked for and not refused, dry runs left out. */
  readonly patches: NodeStatusPatch[] = [];
  isClosed = false;
  readonly #configMap: string;
  readonly #planned: { readonly method: FakeMethod; readonly failure: Failure }[] = [];
  #away: Failure | undefined;
  #watchers = new Set<() => void>();

  constructor(nodeName = 'node-1', { api = new FakeApi(), configMap = 'stevedore' }: FakeClusterOptions = {}) {
    this.nodeName = nodeName;
    this.api = api;
    this.#configMap = configMap;
  }

  /** The next `times` calls of the method are refused. */
  fail(method: FakeMethod, failure: Failure, times = 1): void {
    for (let i = 0; i < times; i += 1) this.#planned.push({ method, failure });
  }

  /** The API server is not there for this agent: every call fails, and the watch tells it and says nothing more. Undefined: it is back. */
  away(failure: Failure | undefined): void {
    this.#away = failure;
    for (const look of this.#watchers) look();
  }

  async watch(handlers: ClusterHandlers, signal: AbortSignal): Promise<void> {
    let told: { readonly node: string; readonly configMaps: string } | undefined;
    let live: boolean | undefined;
    const { promise: crashed, reject } = Promise.withResolvers<never>();
    const look = (): void => {
      if (signal.aborted) return;
      try {
        const wasLive = live;
        live = this.#away === undefined;
        if (!live) {
          if (wasLive !== false) handlers.onContact(false, this.#away?.message);
          return;
        }
        const was = told;
        const node = this.api.node(this.nodeName);
        const configMaps = this.#configMaps();
        told = { node: toComparable(node), configMaps: JSON.stringify(configMaps) };
        if (was?.node !== told.node) handlers.onNode(node);
        if (was?.configMaps !== told.configMaps) handlers.onConfigMaps(configMaps);
        if (wasLive !== true) handlers.onContact(true, undefined);
      } catch (error) {
        reject(error);
      }
    };
    this.#watchers.add(look);
    const unsubscribe = this.api.subscribe(look);
    try {
      // Nothing comes before the caller has gone on, as with a real server.
      await Promise.resolve();
      look();
      if (!signal.aborted) await Promise.race([once(signal, 'abort'), crashed]);
    } finally {
      unsubscribe();
      this.#watchers.delete(look);
    }
  }

  async read(signal: AbortSignal): ReturnType<Cluster['read']> {
    await this.#called('read', signal);
    return { node: this.#node(), configMaps: this.#configMaps() };
  }

  async patchNodeStatus(
    patch: NodeStatusPatch,
    signal: AbortSignal,
    options: { readonly dryRun?: boolean } = {},
  ): Promise<void> {
    await this.#called('patchNodeStatus', signal);
    const node = this.#node();
    if (options.dryRun === true) return;
    this.patches.push(patch);
    const labels = Object.entries({ ...node.labels, ...patch.labels }).filter(
      (entry): entry is [string, string] => entry[1] !== null,
    );
    this.api.setNode(this.nodeName, {
      labels: Object.fromEntries(labels),
      conditions: toConditions(node.conditions, patch.condition),
    });
  }

  async removeTaint(key: string, signal: AbortSignal): Promise<'removed' | 'absent'> {
    await this.#called('removeTaint', signal);
    const { taints } = this.#node();
    const rest = taints.filter((taint) => taint.key !== key);
    if (rest.length === taints.length) return 'absent';
    this.api.setNode(this.nodeName, { taints: rest });
    return 'removed';
  }

  async listLeases(prefix: string, signal: AbortSignal): Promise<readonly LeaseRecord[]> {
    await this.#called('listLeases', signal);
    return this.api.leases().filter(({ name }) => name.startsWith(prefix));
  }

  async createLease(name: string, holder: string, durationSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    await this.#called('createLease', signal);
    if (this.api.lease(name) !== undefined) throw conflict(`leases "${name}" already exists`);
    return this.api.setLease({ name, holder, durationSeconds, renewedAt: Date.now() });
  }

  async updateLease(
    { name, resourceVersion }: LeaseRecord,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    await this.#called('updateLease', signal);
    const stored = this.api.lease(name);
    if (stored !== undefined && stored.resourceVersion !== resourceVersion)
      throw conflict(`leases "${name}" has been modified`);
    return this.api.setLease({ name, holder, durationSeconds, renewedAt: Date.now() });
  }

  async createEvent(event: ClusterEvent, signal: AbortSignal): Promise<void> {
    await this.#called('createEvent', signal);
    this.api.events.push({ ...event, node: this.nodeName });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Takes a turn of the event loop's queue, as any answer does. */
  async #called(method: FakeMethod, signal: AbortSignal): Promise<void> {
    this.calls.push(method);
    await Promise.resolve();
    signal.throwIfAborted();
    if (this.#away !== undefined) throw this.#away;
    const index = this.#planned.findIndex((planned) => planned.method === method);
    const [planned] = index < 0 ? [] : this.#planned.splice(index, 1);
    if (planned !== undefined) throw planned.failure;
  }

  #node(): NodeState {
    const node = this.api.node(this.nodeName);
    if (node === undefined) throw new Failure('not_found', `nodes "${this.nodeName}" not found`);
    return node;
  }

  #configMaps(): readonly ConfigMapObject[] {
    return this.api
      .configMaps()
      .filter(({ name, labels }) => name === this.#configMap || labels['stevedore.dev/image-sets'] === 'true');
  }
}

/** Heartbeats of other conditions than ours change nothing. */
function toComparable(node: NodeState | undefined): string {
  return JSON.stringify({
    ...node,
    conditions: node?.conditions.map((condition) =>
      condition.type === 'ImageSetsReady' ? condition : { ...condition, lastHeartbeatAt: undefined },
    ),
  });
}

function toConditions(
  conditions: readonly NodeCondition[],
  patch: NodeStatusPatch['condition'],
): readonly NodeCondition[] {
  if (patch === undefined) return conditions;
  const others = conditions.filter(({ type }) => type !== patch.type);
  if ('remove' in patch) return others;
  // The API server keeps whole seconds.
  const toSecond = (at: number): number => Math.floor(at / 1000) * 1000;
  const { lastHeartbeatAt, lastTransitionAt } = patch;
  const stored = {
    ...patch,
    lastHeartbeatAt: toSecond(lastHeartbeatAt),
    lastTransitionAt: toSecond(lastTransitionAt),
  };
  return [...others, stored];
}

function conflict(message: string): Failure {
  return new Failure('other', message, { detail: 'conflict' });
}
